"""SavedModel: good files proven, each bad one refused under its rule, variables settled with their index, nothing at random fatal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.model._look import look_at
from countermark.checks.model.inspect import inspect_files
from countermark.errors import FormatRefused
from countermark.formats import savedmodel, tensor_bundle
from countermark.formats.source import Memory

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))
import tensorflow_files as made

GOOD, DOUBTFUL = dict(made.good()), dict(made.doubtful())
BAD = {name: (data, rule) for name, data, rule in made.bad()}
INDEX = made.index([(b"a", made.tensor(0, 8)), (b"b", made.tensor(8, 16))])


@pytest.mark.parametrize("name", GOOD)
def test_good_is_proven(name):
    said = look_at(name, Memory(GOOD[name]))
    assert (said.check, said.answer) == ("model/savedmodel", "proven"), said.why


@pytest.mark.parametrize("name", BAD)
def test_bad_is_refused_under_its_rule(name):
    data, rule = BAD[name]
    said = look_at(name, Memory(data))
    assert said.answer == "refused", said.why
    assert rule in {finding.rule for finding in said.findings}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_the_rest_is_unproven(name):
    said = look_at(name, Memory(DOUBTFUL[name]))
    assert (said.answer, said.findings) == ("unproven", ()), said.why


def answers(files):
    return {a.path: a.answer for a in inspect_files([(p, Memory(d)) for p, d in files.items()], confined=False).files}


def test_variables_are_proven_with_their_index():
    data = "v/variables.data-00000-of-00001"
    assert answers({"v/variables.index": INDEX, data: b"\xfe" * 24}) == {"v/variables.index": "proven", data: "proven"}
    assert answers({"v/variables.index": INDEX, data: b"\xfe" * 25})[data] == "unproven"
    assert answers({"v/variables.index": INDEX, data: b"\xfe" * 20})["v/variables.index"] == "refused"
    assert answers({"v/variables.index": INDEX})["v/variables.index"] == "refused"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (made.index([(b"b", made.tensor(0, 8)), (b"a", made.tensor(8, 8))]), "bundle-order"),
        (made.index([(b"a", made.tensor(0, 8, 7))]), "bundle-shard"),
        (made.index([], extra=b"hidden"), "bundle-cover"),
        (b"x" + INDEX, "bundle-number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_index_is_refused(data, rule):
    said = look_at("v.index", Memory(data))
    assert said.answer == "refused"
    assert said.findings[0].rule.startswith("bundle-")
    assert said.findings[0].rule == rule or rule == "bundle-number"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 600), st.binary(min_size=1, max_size=6))
def test_changed_bytes_never_kill_the_reader(name, at, new):
    data = GOOD[name]
    try:
        savedmodel.read(Memory(data[:at] + new + data[at + len(new) :]))
    except FormatRefused as error:
        assert error.what


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(INDEX)), st.binary(min_size=1, max_size=6))
def test_changed_bytes_never_kill_the_index_reader(at, new):
    try:
        facts = tensor_bundle.read(Memory(INDEX[:at] + new + INDEX[at + len(new) :]))
    except FormatRefused as error:
        assert error.what
        return
    assert len(facts.entries) <= 2
