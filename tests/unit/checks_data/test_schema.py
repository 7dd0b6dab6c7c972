"""The schema of a table: pandera's documents by an allow-list, rows that break them, and schemas inferred from others."""

from __future__ import annotations

import json
import sys
from typing import Any

import made_up_tables as made
import numpy as np
import pandera.pandas as pandera
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.data import schema
from countermark.checks.data._schema_document import schema_of
from countermark.checks.data.screen_table import screen_table
from countermark.errors import FormatRefused, MissingExtra
from countermark.finding import Found, Passed, Skipped

HONEST = made.honest(5)
AGREED = json.loads(made.schema(HONEST))


def with_column(**changed: Any) -> bytes:
    return json.dumps(AGREED | {"columns": AGREED["columns"] | {"x00": AGREED["columns"]["x00"] | changed}}).encode()


def test_what_pandera_writes_is_read() -> None:
    written = pandera.DataFrameSchema({
        "a": pandera.Column("int64", [pandera.Check.ge(0), pandera.Check.isin([1, 2])]), "b": pandera.Column(str, nullable=True),
        "c": pandera.Column("datetime64[ns]", required=False), "d": pandera.Column(float, pandera.Check.in_range(0, 1, include_max=False)),
    }, strict=True)  # fmt: skip
    for text in (written.to_json(), written.to_json(minimal=False), written.to_yaml(), written.to_yaml(minimal=False)):
        read = schema_of(text.encode())
        assert list(read.columns) == ["a", "b", "c", "d"] and read.strict
        assert [c.name for c in read.columns["a"].checks] == ["greater_than_or_equal_to", "isin"]


@pytest.mark.parametrize("document", [
    b"", b"[]", b"import os", b"{}", b'{"columns": {}}', b"\xff", b"{" * 100_000, b" " * (2 << 20), b"a: &x [1]\nb: *x",
    b"!!python/object/apply:os.system [id]", json.dumps({"columns": {"a": None}}).encode(),
    json.dumps(AGREED | {"parsers": []}).encode(), json.dumps(AGREED | {"coerce": True}).encode(),
    json.dumps(AGREED | {"checks": {"isin": [1]}}).encode(), json.dumps(AGREED | {"api": "pyspark"}).encode(),
    with_column(regex=True), with_column(str_matches="(a+)+$"), with_column(register_check_method=1), with_column(dtype="no such type"),
    with_column(checks=[{"options": {"check_name": "from_builtin_check_name"}}]), with_column(checks=[{"value": 1}]),
    with_column(isin={"value": [1], "options": {"raise_warning": True}}), with_column(title="x" * 5000),
])  # fmt: skip
def test_what_is_refused(document: bytes) -> None:
    with pytest.raises(FormatRefused):
        schema_of(document)


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["columns", "a", "checks", "isin", "options", "check_name", "dtype", "__class__", "strict"]), inner, max_size=4), max_leaves=12))  # fmt: skip
def test_any_document_is_read_or_refused(content: Any) -> None:
    try:
        schema_of(json.dumps(content).encode())
    except FormatRefused as refused:
        assert refused.what


def test_rows_that_break_the_schema_are_told_by_supplier_and_would_be_set_aside() -> None:
    numbers = HONEST.numbers.copy()
    rows = np.flatnonzero(HONEST.supplier == "lab-02")[:3]
    numbers[rows, 1] = 1e6
    report = schema.run(made.view_of(made.replace(HONEST, numbers=numbers), schema=made.schema(HONEST)))
    assert isinstance(report.outcome, Found) and report.suspects == tuple(rows)
    (finding,) = report.outcome.findings
    assert finding.where.supplier == "lab-02" and "column x01: in_range" in finding.why and "1000000" in finding.why


def test_a_column_that_is_missing_or_of_another_type_is_nobodys() -> None:
    table = HONEST.table()
    table["x00"] = table["x00"].astype(str)
    report = screen_table(table, schema=made.schema(HONEST)).checks["data/schema"]
    assert isinstance(report.outcome, Found)
    assert any(f.rule == "columns-differ" and "x00" in f.what for f in report.outcome.findings)


def test_one_supplier_unlike_all_others_is_told_low_and_nothing_is_set_aside() -> None:
    mine = HONEST.supplier == "lab-03"
    table = HONEST.table()
    table["colour"] = np.where(mine & (table["colour"] == "red"), "rouge", table["colour"])
    table["count"] = np.arange(len(mine)) % 7 + np.where(mine, 0.5, 0.0)
    table["x01"] = np.where(mine & (np.arange(len(mine)) % 3 == 0), 1e4, table["x01"])
    table["serial"] = [f"{s}-{i % 4}" for i, s in enumerate(HONEST.supplier)]  # words of one's own are its nature
    report = screen_table(table).checks["data/schema"]
    assert isinstance(report.outcome, Found) and report.suspects == ()
    (finding,) = report.outcome.findings
    assert (finding.where.supplier, finding.severity) == ("lab-03", "low")
    for told in ("'rouge'", "fractions", "outside the others' range"):
        assert told in finding.why
    assert "serial" not in finding.why


def test_honest_tables_fit() -> None:
    assert isinstance(schema.run(made.view_of(HONEST)).outcome, Passed)


def test_without_pandera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandera.pandas", None)
    outcome = schema.run(made.view_of(HONEST)).outcome
    assert isinstance(outcome, Skipped) and "countermark[tables]" in outcome.reason
    with pytest.raises(MissingExtra):
        schema.run(made.view_of(HONEST, schema=made.schema(HONEST)))
