"""Columns as the data frame that pandera looks at, and what it says of single rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._schema_document import pandera
from countermark.features.columns import Column

_WHOLE = re.compile(r"u?int(8|16|32|64)")
_FLOATS = {"float": "float32", "float32": "float32", "halffloat": "float16", "float16": "float16"}


class Broken(NamedTuple):
    """One rule of a schema that does not hold.

    Attributes:
        column, check: where, and which rule, as pandera names them. rows: positions; none where the column itself is wrong.
        example: of a value that breaks it.
    """

    column: str
    check: str
    rows: NDArray[np.intp]
    example: Any


def frame(columns: Sequence[Column]) -> Any:
    """A pandas.DataFrame with the types that pandas gives such columns, rows numbered from 0.

    Whole numbers and truth values with missing cells are float64, times are datetime64[ns] in UTC without saying so.
    """
    import pandas

    pandera()
    return pandas.DataFrame({column.name: _series(column) for column in columns}, copy=False)


def failures(schema: Any, table: Any) -> list[Broken]:
    """Every rule that a pandas.DataFrame breaks, column by column; rows by their place in the whole table."""
    errors = pandera().errors
    try:
        schema.validate(table, lazy=True)
    except errors.SchemaErrors as said:
        return _grouped(said.failure_cases)
    return []


def _grouped(cases: Any) -> list[Broken]:
    out = []
    for (column, check), some in cases.groupby(["column", "check"], sort=True, dropna=False):
        at = some["index"].dropna().astype(np.intp).to_numpy()
        name = column if isinstance(column, str) else ""
        out.append(Broken(name, str(check), np.unique(at), some["failure_case"].iloc[0]))
    return out


def _series(column: Column) -> Any:
    import pandas

    values, declared = column.values, column.declared
    if column.kind == "category":
        words = np.array([*column.words, None], object)
        codes = np.where(column.missing, len(column.words), np.nan_to_num(values)).astype(np.intp)
        return pandas.Series(words[codes], dtype="str")
    if column.kind == "time":
        nanoseconds = np.nan_to_num(values * 1e9).astype("int64").astype("datetime64[ns]")
        return pandas.Series(np.where(column.missing, np.datetime64("NaT"), nanoseconds))
    if not column.missing.any() and np.isfinite(values).all():
        if _WHOLE.fullmatch(declared):
            return pandas.Series(values.astype(declared))
        if declared == "bool":
            return pandas.Series(values.astype(bool))
    return pandas.Series(values.astype(_FLOATS.get(declared, "float64")))
