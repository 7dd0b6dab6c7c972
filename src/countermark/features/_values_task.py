"""The confined side of `artefact.table_records` for tables of values: every row as the JSON object of what checks see of it.

A column or cell that `_columns_task` would leave out or refuse is refused here, so that no admitted row goes past the checks, and
none stops a screening.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from countermark.errors import FormatRefused
from countermark.features._columns_task import MOST_WORD, planned_within
from countermark.features.arrow import arrow
from countermark.features.arrow_columns import Planned, Words, item_of, values_of
from countermark.features.columns import MOST_CELLS
from countermark.formats import _tables
from countermark.formats._records_task import class_names
from countermark.formats.limits import OverLimit
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray


@dataclass(slots=True)
class _Reading:
    """What this child is reading: the class's column, all others, the batches that are left, and cells so far."""

    batches: Iterator[Any]
    field: str = ""
    plan: tuple[Planned, ...] = ()
    cells: int = 0


_now = _Reading(iter(()))


@task
def begin(job: Job) -> Answer:
    """Open the source; request ``field``: the column of the class, ``without``: one that is left out of the rows.

    The answer holds names of columns, and of integer classes where the table has them.
    """
    source, field, without = job.sources[0], str(job.request["field"]), job.request["without"]
    schema = _tables.opened(source).schema
    plan, left = planned_within(schema)
    if left:
        raise FormatRefused(
            left[0], why="nothing is admitted that no check could look at", mend="leave the column out, or make it numbers, times or text"
        )  # fmt: skip
    _now.plan = tuple(sorted((p for p in plan if p.source not in (field, without)), key=lambda p: p.name))
    if not _now.plan:
        raise FormatRefused(f"no column beside {field!r:.60} says something of a row")
    if len({p.name for p in plan}) != len(plan):
        raise FormatRefused("two columns have one name", why="a list's numbers are called after it")
    _now.batches, _now.field, _now.cells = _tables.opened(source).batches, field, 0
    return Answer({"names": class_names(schema, field), "columns": [p.name for p in _now.plan]})


@task
def more(_job: Job) -> Answer:
    """The next classes, and their rows behind each other with their lengths; none at the end."""
    with _tables.refusing():
        batch = next(_now.batches, None)
        if batch is None:
            return Answer({"labels": [], "lengths": []}, (RawArray("|u1", (0,), b""),))
        _now.cells += batch.num_rows * (len(_now.plan) + 1)
        if _now.cells > MOST_CELLS:
            raise OverLimit("cells", _now.cells, MOST_CELLS)
        labels = batch.column(_now.field).to_pylist()
        columns = [_cells(batch.column(p.source), p) for p in _now.plan]
    names = [p.name for p in _now.plan]
    rows = [
        json.dumps(dict(zip(names, cells, strict=True)), ensure_ascii=False, separators=(",", ":")).encode()
        for cells in zip(*columns, strict=True)
    ]
    data = b"".join(rows)
    return Answer({"labels": labels, "lengths": [len(row) for row in rows]}, (RawArray("|u1", (len(data),), data),))


def _cells(column: Any, plan: Planned) -> list[Any]:
    """Values of one column as JSON has them: whole numbers to the last digit, all others as `values_of`; None where missing."""
    pa, array = arrow(), item_of(column, plan)
    if plan.kind == "category":
        return _words(column, plan)
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        return list(array.to_pylist())
    values = values_of(column, plan, Words())
    if np.isinf(values).any():
        raise FormatRefused(f"column {plan.name!r:.60} holds a number that is not finite", mend="leave the cell empty")
    return [None if missing else value for value, missing in zip(values.tolist(), np.isnan(values), strict=True)]


def _words(column: Any, plan: Planned) -> list[Any]:
    known = Words(whole=True)
    codes = values_of(column, plan, known)
    words = list(known.codes)
    if (long := max(map(len, words), default=0)) > MOST_WORD:
        raise OverLimit(f"characters of a word in column {plan.name!r:.60}", long, MOST_WORD)
    return [None if np.isnan(code) else words[int(code)] for code in codes]
