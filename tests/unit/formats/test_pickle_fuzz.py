"""The pickle machine beside CPython's own: pickletools for the opcodes, both unpicklers, confined, for what streams do."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "formats"))

import pickle_fuzz
import pickle_programs

from countermark.formats.pickle import _containers as containers
from countermark.formats.pickle import run
from countermark.formats.pickle.machine import Machine

randoms = st.randoms(use_true_random=False)


@pytest.fixture(scope="module")
def oracle():
    with pickle_fuzz.Oracle() as process:
        yield process


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(rng=randoms)
def test_random_streams_name_the_same_and_end_the_same(oracle, rng):
    data = pickle_fuzz.stream(rng)
    pickle_fuzz.compare(data, oracle.ask(data))


def test_many_streams_of_a_fixed_seed(oracle):
    rng, outcomes = Random(20261127), set()
    for _ in range(6000):
        data = pickle_fuzz.stream(rng)
        outcomes.add(pickle_fuzz.compare(data, oracle.ask(data)))
    for _ in range(1500):
        data = pickle_programs.sound(rng)
        pickle_fuzz.compare(data, oracle.ask(data), sound=True)
    assert {"followed", "pickle-stack", "pickle-memo", "pickle-text", "pickle-truncated", "pickle-name"} <= outcomes


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(rng=randoms)
def test_opcodes_begin_where_pickletools_says(rng):
    data = pickle_fuzz.mutated(rng, pickle_programs.sound(rng)) if rng.random() < 0.5 else pickle_fuzz.written(rng)
    rule, end, _, _ = pickle_fuzz.followed(data)
    places = pickle_fuzz.boundaries(data)
    if rule:
        assert places is None or rule != "pickle-opcode" or end not in places
    else:
        assert places is not None
        assert not places or places[-1] == end - 1
        assert not places or _stepped(data) == places


def _stepped(data, at=0):
    """Offsets of the opcodes that the machine takes one by one."""
    machine, seen = Machine(pickle_fuzz.Memory(data), pickle_fuzz.Permissive()), [0]
    while data[at] != 0x2E:
        at = run.STEPS[data[at]](machine, at, data[at])
        machine.settle(at)
        seen.append(at)
    return seen


def test_the_oracle_is_confined(oracle):
    assert any(layer.startswith("RLIMIT_DATA") for layer in oracle.held["applied"])


def test_a_machine_with_a_fault_is_found_out(oracle, monkeypatch):
    """The fuzz itself is no decoration: a memo that gives the wrong value, a name that is dropped."""

    def until_found():
        rng = Random(7)
        for _ in range(4000):
            data = pickle_fuzz.stream(rng)
            pickle_fuzz.compare(data, oracle.ask(data))
            data = pickle_programs.sound(rng)
            pickle_fuzz.compare(data, oracle.ask(data), sound=True)

    with monkeypatch.context() as patch, pytest.raises(pickle_fuzz.Disagreement):
        patch.setattr(Machine, "recall", lambda self, index, at: self.stack.append(self.memo[0] if self.memo else 0))
        patch.setattr(run, "_common", lambda machine, at: at)
        until_found()
    with monkeypatch.context() as patch, pytest.raises(pickle_fuzz.Disagreement):
        patch.setitem(run.STEPS, 0x63, lambda machine, at, code: machine.line(machine.line(at + 1)[1])[1])
        until_found()
    with monkeypatch.context() as patch, pytest.raises(pickle_fuzz.Disagreement):
        patch.setitem(run.STEPS, 0x30, containers.dup)
        until_found()


def test_written_streams_are_all_followed():
    rng = Random(3)
    for _ in range(500):
        data = pickle_fuzz.written(rng)
        rule, end, machine, judge = pickle_fuzz.followed(data)
        assert (rule, end) == ("", len(data)), (rule, data)
        assert not judge.remarks
        assert pickle.loads(data) is not pickle_fuzz  # written here, of plain values only
        assert len(machine.stack) == 1
