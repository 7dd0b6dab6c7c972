"""data/schema: columns of a table are what was agreed, or what all other suppliers deliver. By pandera.

With a schema of the user's, every row that breaks it is told and would be set aside. Without one, a schema is inferred from
all *other* suppliers (range, nulls, whole numbers, known categories), and a supplier whose delivery does not fit it is told at
low severity: then nothing is set aside, for what others deliver was not agreed with anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _schema_inferred as inferred
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._frame import failures, frame
from countermark.checks.data._schema_document import pandera, schema_of
from countermark.checks.data._table import Table
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.errors import MissingExtra
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/schema"
MOST_TOLD = 5
LEAST_SUPPLIERS = 3
Rows = NDArray[np.intp]


def run(view: View) -> CheckReport:
    """Hold the table against the user's schema, or every supplier against one inferred from the others.

    Raises:
        FormatRefused: the user's schema is none. MissingExtra: one was given, and pandera is absent.
    """
    if not isinstance(view.content, Table):
        return CheckReport(Skipped("these rows have no columns"))
    if view.content.schema is not None:
        return _given(view, view.content)
    try:
        pandera()
    except MissingExtra as absent:
        return CheckReport(Skipped(f"{absent.what} ({absent.mend})"))
    able = np.flatnonzero(np.bincount(view.supplier, minlength=len(view.suppliers)) >= LEAST_ROWS)
    if len(able) < LEAST_SUPPLIERS:
        return CheckReport(
            Skipped(f"no schema was given, and {len(able)} suppliers of {LEAST_ROWS} rows are too few to infer one")
        )
    findings = list(_misfits(view, view.content, able))
    measures = (
        Measure("suppliers compared", len(able)),
        Measure("suppliers that do not fit the others' schema", len(findings)),
    )
    left_out = ("single rows: no schema was given that they could break",)
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    return CheckReport(outcome, looked=np.zeros(len(view.label), bool))


def _given(view: View, table: Table) -> CheckReport:
    broken = failures(schema_of(table.schema or b""), frame(table.columns))
    rows = np.unique(np.concatenate([b.rows for b in broken])) if broken else np.zeros(0, np.intp)
    findings = [_of_table(b.column, b.check, b.example) for b in broken if not len(b.rows)]
    for s in np.unique(view.supplier[rows]):
        mine = [(b, b.rows[view.supplier[b.rows] == s]) for b in broken]
        told = [
            f"column {b.column}: {b.check} ({len(r)} rows, for instance {b.example!r:.60})" for b, r in mine if len(r)
        ]
        findings.append(_breaks(view, int(s), rows[view.supplier[rows] == s], told))
    measures = (Measure("rules broken", len(broken)), Measure("rows that break one", len(rows)))
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    return CheckReport(outcome, suspects=tuple(map(int, rows)))


def _misfits(view: View, table: Table, able: Rows) -> Iterator[Finding]:
    whole = frame(table.columns)
    for s in map(int, able):
        mine = np.flatnonzero(view.supplier == s)
        schema = inferred.of_others(table.columns, view.supplier, s)
        told = [
            f"column {b.column}: {inferred.words(b)} ({len(b.rows)} of {len(mine)} rows)"
            for b in failures(schema, whole.iloc[mine]) if len(b.rows) >= inferred.least(len(mine))
        ]  # fmt: skip
        if told:
            yield _misfit(view.suppliers[s], told)


def _of_table(column: str, check: str, example: Any) -> Finding:
    return Finding(
        ID, "columns-differ", "medium", 1.0, f"the table does not fit its schema: {column or 'columns'}: {check}", Where(),
        f"found: {example!r:.120}", "mend the table or the schema, and screen again",
        "which supplier's rows made the column what it is",
    )  # fmt: skip


def _breaks(view: View, s: int, rows: Rows, told: list[str]) -> Finding:
    name = view.suppliers[s]
    return Finding(
        ID, "breaks-schema", "medium", 1.0, f"{len(rows)} rows of {name} do not fit the schema", Where(rows=view.names(rows), supplier=name),
        _few(told), "set the rows aside, and ask the supplier to correct and deliver again",
        "values that fit the schema can be wrong all the same",
    )  # fmt: skip


def _misfit(name: str, told: list[str]) -> Finding:
    return Finding(
        ID, "unlike-others", "low", 0.5, f"{name} does not fit the schema of all other suppliers: {told[0]}", Where(supplier=name),
        _few(told), "ask the supplier; write a schema of what was agreed and screen with it",
        "whether the others are right: nobody agreed to what they deliver; honest rare values look like this",
    )  # fmt: skip


def _few(told: list[str]) -> str:
    return "; ".join(told[:MOST_TOLD]) + (f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else "")


CHECK = Check(
    ID,
    1,
    run,
    "a row that breaks the schema given; without one, suppliers that do not fit that of all others, and nothing is set aside",
    "a schema that was given: none, what breaks it breaks it; one inferred: told at low severity, no rate is promised",
    of=("table",),
)
