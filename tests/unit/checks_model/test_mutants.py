"""No rule is decoration: with any one refusal of a reader taken out, some file of the corpus is answered otherwise."""

from __future__ import annotations

import gzip
import pickle
import signal
import sys
from pathlib import Path

import mutants
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))

import carriers
import corpus
from breaks import breaks
from streams import name, text

from countermark.checks.model import _joblib, _nested, _streams, _torch
from countermark.checks.model._look import look_at
from countermark.formats import inflated, lz4, member_names, npy, tar, torchscript, zipped
from countermark.formats.limits import ModelLimits
from countermark.formats.pickle import _calls, _constants, _containers, machine, run
from countermark.formats.source import Memory

READERS = (
    machine, run, _calls, _constants, _containers, zipped, tar, member_names, npy, inflated, lz4, torchscript, _streams,
    _torch, _joblib, _nested,
)  # fmt: skip
BROKEN = breaks()
SMALL = [case for case in (*corpus.attacks(), *corpus.harmless()) if len(case.data) < 8_000 and case.family != "gadget"]


def answer(name: str, data: bytes) -> tuple[object, ...]:
    """Everything that is said of a file; a reader that crashes says that."""
    try:
        look = look_at(name, Memory(data))
    except Exception as error:
        return (type(error).__name__,)
    return (look.answer, look.why, *((f.rule, f.where.offset, f.why) for f in look.findings))


OBJECTS = next(data for name, data, _ in BROKEN if name == "wrapper-object-tail.joblib")
NUMBERS = pickle.dumps([[1], [2], [3]], 4)
NESTED = pickle.dumps(tuple(range(40)), 4)
LIMITED = (
    (machine, "MEMO_LIMIT", 2, "memo.pkl", pickle.dumps([[1], [2], [3]], 2)), (machine, "MEMO_LIMIT", 2, "memo.pkl", NUMBERS),
    (machine, "MEMO_LIMIT", 2, "put.pkl", b"\x80\x02(NNNNr\x05\0\0\0l."),
    (machine, "STACK_LIMIT", 10, "stack.pkl", NESTED), (machine, "LINE_LIMIT", 16, "line.pkl", b"\x80\x02V" + b"x" * 600 + b"\n."),
    (_streams, "MOST_STREAMS", 3, "several.pkl", NUMBERS * 5),
    (_streams, "MOST_PICKLE", 5, "a.pt", carriers.torch_zip(b"\x80\x02]](K\x01K\x02K\x03ee.")), (tar, "_MOST_MEMBERS", 1, "a.tar", carriers.tarred(("a", b"", b"0", ""), ("b", b"", b"0", ""))),
    (torchscript, "MOST_SOURCE", 5, "a.pt", carriers.torch_zip(b"\x80\x02}.", None, {"constants.pkl": b"\x80\x02).", "code/__torch__.py": b"x = 1.0000"})),
    (_joblib, "DEEPEST", 0, "a.joblib", OBJECTS),
    (machine, "STACK_LIMIT", 12, "second.joblib", b"\x80\x02" + carriers.array(b"(" + b"N" * 40) + b"."),
    (_nested, "MOST_PICKLE", 200, "storage.pkl", b"\x80\x02" + name("torch.storage", "_load_from_bytes") + name("_codecs", "encode") + text("x" * 300) + text("latin1") + b"\x86R\x85R."),
)  # fmt: skip
"""Files that cross a limit once that is lowered: module, limit, its value, name, bytes."""


def limited():
    """What is said where limits are low, and what readers raise that are asked directly."""
    out = []
    for module, limit, value, file, data in LIMITED:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, limit, value)
            out.append(answer(file, data))
    two = Memory(carriers.zipped({"a": b"x", "b": b"y"}))
    packed = Memory(gzip.compress(bytes(100), mtime=0))
    for ask in (
        lambda: zipped.read(two, ModelLimits(members=1)), lambda: zipped.read(two, ModelLimits(inflated_bytes=1)),
        lambda: inflated.Inflated(packed, "gzip", ModelLimits(inflated_bytes=9)), lambda: inflated.Inflated(packed, "gzip").read(90, 20),
    ):  # fmt: skip
        try:
            out.append((type(ask()).__name__,))
        except Exception as error:
            out.append((getattr(error, "rule", type(error).__name__),))
    return out


@pytest.fixture(scope="module")
def said():
    files = [(name, data) for name, data, _ in BROKEN] + [
        (case.file, case.data) for case in SMALL if case.tier != "benign"
    ]
    return [(name, data, answer(name, data)) for name, data in files], limited()


def test_limits_are_unproven_and_named():
    answers = limited()
    assert [a[0] for a in answers[: len(LIMITED)]] == ["unproven"] * len(LIMITED)
    assert answers[len(LIMITED) :] == [
        ("limit-members",),
        ("limit-inflated-bytes",),
        ("limit-inflated-bytes",),
        ("truncated",),
    ]


@pytest.mark.parametrize(("name", "data", "rule"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_every_way_of_breaking_a_format_is_named(name, data, rule):
    look = look_at(name, Memory(data))
    if look.answer == "unproven":
        assert look.why.startswith(rule)
    else:
        assert rule in [finding.rule for finding in look.findings]


def survives(module, line, said):
    """Whether all files are answered as before; a mutant that does not come to an end is found out too."""

    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 4)
    try:
        with mutants.without(module, line):
            return all(answer(name, data) == was for name, data, was in said[0]) and limited() == said[1]
    except TimeoutError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("module", READERS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_no_refusal_of_a_reader_can_be_taken_out(module, said):
    survivors = [line for line in mutants.refusals(module) if survives(module, line, said)]
    text = Path(module.__file__).read_text().splitlines()
    left = [" ".join(part.strip() for part in text[line - 1 : line + 1]) for line in survivors]
    assert [line for line in left if not any(known in line for known in EQUIVALENT)] == []


EQUIVALENT = ("too many brackets",)  # Python's parser gives up on them as well, after more work
"""Refusals that no file can show alone."""
