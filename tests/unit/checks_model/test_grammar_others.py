"""skops, boosted trees, OpenVINO, PMML, TensorFlow Lite, Core ML: each answered as it must be, nothing at random fatal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.model._look import look_at
from countermark.checks.model.inspect import inspect_files
from countermark.errors import FormatRefused
from countermark.formats import ubjson
from countermark.formats.source import Memory

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))
import grammar_files as made

GOOD, DOUBTFUL = dict(made.good()), dict(made.doubtful())
BAD = {name: (data, rule) for name, data, rule in made.bad()}


@pytest.mark.parametrize("name", GOOD)
def test_good_is_proven(name):
    said = look_at(name, Memory(GOOD[name]))
    assert said.answer == "proven", said.why


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


@pytest.mark.parametrize(
    "name", ["m.onnx", "m.gguf", "m.keras", "m.skops", "m.tflite", "m.h5", "m.pb", "m.pmml", "m.mlmodel", "m.ubj"]
)
def test_a_name_that_disagrees_is_found(name):
    weights = made.zipped({"a.npy": made.ARRAY})
    said = look_at(name, Memory(weights))
    assert (said.answer, said.findings[-1].rule) == ("refused", "mismatch")


def answers(files):
    return {a.path: a.answer for a in inspect_files([(p, Memory(d)) for p, d in files.items()], confined=False).files}


def test_numbers_of_openvino_are_proven_with_their_graph():
    assert answers({"m.xml": made.openvino(), "m.bin": b"\xfe" * 8}) == {"m.xml": "proven", "m.bin": "proven"}
    assert answers({"m.xml": made.openvino(), "m.bin": b"\xfe" * 9})["m.bin"] == "unproven"
    assert answers({"m.xml": made.openvino()})["m.xml"] == "refused"


def test_deep_xml_stops_at_its_limit():
    assert look_at("m.xml", Memory(made.openvino("<a>" * 500 + "</a>" * 500))).answer == "unproven"


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(GOOD | DOUBTFUL)), st.integers(0, 700), st.binary(min_size=1, max_size=8))
def test_changed_bytes_are_always_answered(name, at, new):
    data = (GOOD | DOUBTFUL)[name]
    said = look_at(name, Memory(data[:at] + new + data[at + len(new) :]))
    assert said.answer in ("proven", "refused", "unproven", "not model content")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_ubjson_at_random_is_answered(data):
    try:
        ubjson.parse(Memory(b"{" + data))
    except FormatRefused as error:
        assert error.what
