"""HDF5 and Keras: good files proven, each bad one refused under its rule, nothing at random proven or fatal."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.model._keras import judge
from countermark.checks.model._look import look_at
from countermark.errors import FormatRefused
from countermark.formats import hdf5
from countermark.formats.source import Memory

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))
import hdf5_files

GOOD, DOUBTFUL = dict(hdf5_files.good()), dict(hdf5_files.doubtful())
BAD = {name: (data, rule) for name, data, rule in hdf5_files.bad()}


@pytest.mark.parametrize("name", GOOD)
def test_good_is_proven(name):
    said = look_at(name, Memory(GOOD[name]))
    assert said.answer == "proven", said.why
    assert said.format == ("keras zip" if name.endswith(".keras") else "hdf5")


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


def test_code_is_found_in_a_file_whose_structure_is_not_read():
    data = DOUBTFUL["superblock.h5"] + b'{"class_name": "Lambda"}'
    (finding,) = look_at("m.h5", Memory(data)).findings
    assert (finding.rule, finding.where.offset) == ("keras-class", len(data) - 23)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(n for n in GOOD if n.endswith(".h5"))),
    st.integers(0, 1500),
    st.binary(min_size=1, max_size=9),
)
def test_changed_bytes_never_kill_the_reader(name, at, new):
    data = GOOD[name]
    changed = (data[:at] + new + data[at + len(new) :])[: len(data)]
    try:
        facts = hdf5.read(Memory(changed))
    except FormatRefused:
        return
    assert facts.data_bytes + facts.free <= len(changed)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=9)
    | st.sampled_from(["Lambda", "Dense", "os", "keras", "keras.layers", "function"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["class_name", "module", "config", "registered_name", "vocabulary", "x"]), inner, max_size=5
        )
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_configurations_at_random_are_answered(value):
    said = judge(value)
    if "'class_name': 'Lambda'" in repr(value):
        assert said.refusals
    if not said.refusals:
        assert "'module': 'os', 'class_name': 'Dense'" not in repr(value)


def test_reads_what_the_library_writes():
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for number in range(40):
            file.create_dataset(f"layer{number}/vars/0", data=[[1.0, 2.0]] * 9)
        file.create_dataset("z", data=list(range(9999)), chunks=(100,), compression="gzip", shuffle=True)
        file.attrs["names"] = ["a", "bc"]
    facts = hdf5.read(Memory(out.getvalue()))
    assert (facts.groups, facts.datasets, facts.filled) == (81, 41, 0)
    assert [text for text, _ in facts.texts["@names"]] == [b"a", b"bc"]
