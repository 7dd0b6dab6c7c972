"""The pickle machine beside the real ones: pickletools for the opcodes, the C unpickler for what is taken and refused."""

from __future__ import annotations

import collections
import io
import pickle
import pickletools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.formats.limits import Malformed
from countermark.formats.pickle import opcodes, steps
from countermark.formats.pickle import values as v
from countermark.formats.pickle.compat import renamed
from countermark.formats.pickle.machine import WINDOW, Machine
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Made, Name
from countermark.formats.source import Memory


class Permissive:
    """Lets everything pass and remembers it, so that only the format itself decides."""

    def __init__(self):
        self.named, self.calls = [], []

    def begins(self, source):
        return None

    def name(self, module, qualname, at):
        self.named.append(f"{module}.{qualname}")
        return Name(module, qualname, at)

    def call(self, role, function, args, at):
        self.calls.append((role, v.kind(function), args))
        return Made(function if isinstance(function, Name) else None, args)

    def build(self, target, state, at, after):
        return after

    def extend(self, role, target, at):
        return None

    def persistent(self, id, at):
        return Made(None)


def run(data):
    judge = Permissive()
    machine = Machine(Memory(data), judge)
    return follow(machine), machine, judge


def test_the_tables_name_every_opcode_of_pickletools():
    real = {ord(op.code): op.name for op in pickletools.opcodes}
    assert real == opcodes.NAMES
    taken = {code for code in real if code == 0x2E or code in steps.STEPS}
    assert taken == set(real)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=300),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.frozensets(st.integers()),
    max_leaves=30,
)  # fmt: skip


@given(plain, st.integers(0, 5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_pickle_writes_is_followed_to_its_end(value, protocol):
    data = pickle.dumps(value, protocol)
    end, machine, _ = run(data)
    assert end == len(data)
    if not isinstance(value, (bytes, frozenset, set)):  # protocols below 3 and 4 write those as calls
        assert v.kind(machine.stack[0]) == ("None" if value is None else type(value).__name__)


def test_names_are_those_that_the_unpickler_asks_for():
    for protocol in range(6):
        data = pickle.dumps([collections.OrderedDict(a=1), range(3), complex(1, 2), {1}], protocol)
        asked = [renamed(*pair) if protocol < 3 else pair for pair in _asked(data)]
        _, _, judge = run(data)
        assert judge.named == [".".join(pair) for pair in asked], protocol


def _asked(data):
    names = []

    class Asks(pickle.Unpickler):
        def find_class(self, module, name):
            names.append((module, name))
            return super().find_class(module, name)

    Asks(io.BytesIO(data)).load()
    return names


@pytest.mark.parametrize("filler", [WINDOW - 40, WINDOW - 3, WINDOW, WINDOW + 1, 2 * WINDOW - 5])
def test_windows_leave_no_seam(filler):
    """Every opcode across every offset of a window's end reads its own argument."""
    for shift in range(20):
        value = [b"x" * (filler + shift), *range(300), "text", "text" * 100, {"a": 1}, (1, 2, 3)]
        data = pickle.dumps(value, 2)
        end, machine, _ = run(data)
        assert end == len(data)
        assert len(machine.memo) == sum(1 for op, _, _ in pickletools.genops(data) if op.name.endswith("PUT"))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "pickle-truncated"), (b"N", "pickle-truncated"), (b".", "pickle-stack"), (b"NN.", "pickle-stack"),
        (b"(N.", "pickle-stack"), (b"\x00.", "pickle-opcode"), (b"\x80\x06N.", "pickle-protocol"), (b"h\x00.", "pickle-memo"),
        (b"Nr\xff\xff\xff\xff.", "pickle-memo"), (b"K", "pickle-truncated"), (b"X\xff\xff\xff\xffabc.", "pickle-truncated"),
        (b"\x82\x01.", "pickle-extension"), (b"\x97.", "pickle-buffer"), (b"\x8b\xff\xff\xff\xff.", "pickle-length"),
        (b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\x01.", "pickle-truncated"),
        (b"\x80\x04\x95\x02\0\0\0\0\0\0\0N\x95\x01\0\0\0\0\0\0\0.", "pickle-frame"),
        (b"\x80\x04\x95\x01\0\0\0\0\0\0\0K\x01.", "pickle-frame"), (b"S'abc\n.", "pickle-text"), (b"Ixyz\n.", "pickle-number"),
        (b"NN\x93.", "pickle-name"), (b"}N(K\x01u.", "pickle-stack"), (b"\x8c\x01\xff.", "pickle-text"),
    ],
)  # fmt: skip
def test_what_no_loader_takes_is_refused_by_name(data, rule):
    with pytest.raises(Malformed) as refused:
        run(data)
    assert refused.value.rule == rule


def test_a_memo_index_is_bounded_before_anything_is_allocated():
    with pytest.raises(Malformed, match="memo entry"):
        run(b"\x80\x02Nr\x00\x00\x00\x7f.")


def test_billion_laughs_cost_nothing():
    value = []
    for _ in range(200):
        value = [value] * 10
    data = pickle.dumps(value, 2)
    end, machine, _ = run(data)
    assert end == len(data)
    assert len(machine.memo) == 201


def test_the_fast_loop_and_the_steps_do_the_same(monkeypatch):
    rng = random.Random(4)
    for _ in range(40):
        value = _made_up(rng, 4)
        data = pickle.dumps(value, rng.randrange(6))
        fast = run(data)[1]
        monkeypatch.setattr("countermark.formats.pickle.run._common", lambda machine, at: at)
        slow = run(data)[1]
        monkeypatch.undo()
        assert (fast.stack, fast.memo) == (slow.stack, slow.memo)


def _made_up(rng, depth):
    kind = rng.randrange(8 if depth else 5)
    if kind < 5:
        return [None, True, rng.randrange(1 << rng.randrange(1, 70)), "t" * rng.randrange(300), rng.random()][kind]
    if kind == 5:
        return [_made_up(rng, depth - 1) for _ in range(rng.randrange(5))]
    if kind == 6:
        return {str(n): _made_up(rng, depth - 1) for n in range(rng.randrange(5))}
    return tuple(_made_up(rng, depth - 1) for _ in range(rng.randrange(5)))
