"""Rows of values say what checks see, whatever the table; and no changed byte of a table does more than have it refused."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")
sys.path[:0] = [str(Path(__file__).parents[2] / "attacks" / "formats")]
import tables  # noqa: E402

from countermark.artefact import table_records  # noqa: E402
from countermark.errors import CountermarkError  # noqa: E402
from countermark.features import _values_task  # noqa: E402
from countermark.features.columns import columns_of  # noqa: E402
from countermark.formats.source import Memory  # noqa: E402
from countermark.sandbox.task import Job  # noqa: E402

WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
KINDS: dict[Any, Any] = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1), pa.uint8(): st.integers(0, 255), pa.bool_(): st.booleans(),
    pa.float64(): st.floats(allow_infinity=False), pa.float32(): st.floats(allow_infinity=False, width=32), pa.string(): WORDS,
    pa.dictionary(pa.int8(), pa.string()): WORDS, pa.timestamp("ms"): st.integers(-(10**12), 10**12), pa.date32(): st.integers(-(10**5), 10**5),
    pa.list_(pa.float32(), 2): st.lists(st.floats(width=32, allow_infinity=False), min_size=2, max_size=2),
}  # fmt: skip


@st.composite
def made(draw):
    count = draw(st.integers(1, 12))
    names = draw(st.lists(st.text("abcXYZ_ äß", min_size=1, max_size=6), min_size=1, max_size=5, unique=True))
    columns = {}
    for name in names:
        kind = draw(st.sampled_from(list(KINDS)))
        values = draw(st.lists(st.none() | KINDS[kind], min_size=count, max_size=count))
        columns[name] = pa.array(values, kind)
    return pa.table(
        columns | {"label": draw(st.lists(st.sampled_from(["nut", "bolt"]), min_size=count, max_size=count))}
    )


def rows_of(data: bytes) -> tuple[list[Any], list[dict[str, Any]]]:
    """Classes and rows, as the child's tasks give them."""
    _values_task.begin(Job({"field": "label", "without": None}, (), (Memory(data),)))
    labels, rows = [], []
    while (answer := _values_task.more(Job({}))).json["lengths"]:
        at = 0
        labels += answer.json["labels"]
        for length in answer.json["lengths"]:
            text = bytes(answer.arrays[0].data[at : at + length]).decode()
            rows.append(json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON")))
            at += length
    return labels, rows


@settings(max_examples=40)
@given(made(), st.sampled_from(["parquet", "arrow"]))
def test_a_row_says_what_checks_see(table: Any, form: str) -> None:
    labels, rows = rows_of(tables.parquet(table) if form == "parquet" else tables.ipc(table))
    columns, left = columns_of(table)
    assert labels == table.column("label").to_pylist() and not left
    seen = {name: column for name, column in columns.items() if name != "label"}
    for at, row in enumerate(rows):
        assert list(row) == sorted(seen)
        for name, column in seen.items():
            value = column.values[at]
            if math.isnan(value):
                assert row[name] is None
            else:
                assert (column.words[int(value)] if column.words else value) == (
                    row[name] if column.words else float(row[name])
                )


def test_changed_bytes_are_refused_or_read_as_another_table() -> None:
    """One confined child, replaced where a table kills it; whatever it answers is a record or a refusal."""
    import random

    random.seed(5)
    whole = tables.parquet(tables.table(label=["nut", "bolt"] * 20, n=list(range(40)), word=["a", "b", None, "d"] * 10))
    refused = 0
    with table_records.Reader() as reader:
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(random.randint(1, 4)):
                data[random.randrange(len(data))] = random.randrange(256)
            try:
                for record in table_records.records(Memory(bytes(data)), values=True, reader=reader):
                    assert record.suffix == "json" and isinstance(json.loads(record.data), dict)
            except CountermarkError:
                refused += 1
    assert refused >= 10
