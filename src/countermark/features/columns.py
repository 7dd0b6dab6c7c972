"""Columns of a table as numbers: what features, drift, duplicates and the schema look at."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from countermark.errors import Unusable

Kind = Literal["number", "time", "category"]
KINDS: tuple[Kind, ...] = ("number", "time", "category")
Floats = NDArray[np.float64]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MOST_COLUMNS = 4096
MOST_CELLS = 1 << 27


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        kind: of its values. values: float64 (n,): the number, seconds since 1970, or a code into `words`; NaN where missing.
        declared: its type in the table, as the table calls it ("int64", "string").
    """

    name: str
    kind: Kind
    values: Floats
    words: tuple[str, ...] = ()
    declared: str = ""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(n,) where no value is."""
        return np.isnan(self.values)

    def texts(self) -> list[str]:
        """Every value as text, as names of classes, suppliers and rows are read.

        Raises:
            Unusable: one is missing or empty.
        """
        if self.missing.any():
            raise Unusable(f"column {self.name!r} has no value in row {int(self.missing.argmax())}")
        if self.kind == "category":
            out = [self.words[int(code)] for code in self.values]
        else:
            out = [str(int(v)) if v.is_integer() else repr(v) for v in map(float, self.values)]
        if "" in out:
            raise Unusable(f"column {self.name!r} is empty in row {out.index('')}")
        return out


def columns_of(table: object) -> tuple[dict[str, Column], tuple[str, ...]]:
    """Columns by name, in order; and those left out, with the reason.

    Args:
        table: a mapping of names to sequences of one length, a pyarrow.Table, or what Arrow's PyCapsule interface can hand
            over (data frames of pandas and Polars).

    Raises:
        Unusable: something else, lengths differ, or too many columns or cells. MissingExtra: pyarrow is absent.
    """
    if isinstance(table, Mapping):
        out = {str(name): column_of(str(name), values) for name, values in table.items()}
        left: tuple[str, ...] = ()
    elif hasattr(table, "__arrow_c_stream__"):
        from countermark.features.arrow_columns import columns_of_table

        out, left = columns_of_table(table)
    else:
        raise Unusable(f"a table of type {type(table).__name__}", mend="a pyarrow.Table or a dict of columns")
    lengths = {len(column.values) for column in out.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise Unusable(f"columns of {sorted(lengths)} rows", mend="columns of one length, at least one row")
    if len(out) > MOST_COLUMNS or len(out) * lengths.pop() > MOST_CELLS:
        raise Unusable(f"{len(out)} columns", why=f"the limit is {MOST_COLUMNS} columns and {MOST_CELLS} cells")
    return out, left


def column_of(name: str, values: Sequence[Any] | NDArray[Any]) -> Column:
    """A column from values as Python or NumPy has them; None and NaN are missing.

    Raises:
        Unusable: an array of more than one axis.
    """
    array = values if isinstance(values, np.ndarray) else _as_array(values)
    if array.ndim != 1:
        raise Unusable(f"column {name!r} has shape {array.shape}", mend="one value a row")
    if array.dtype.kind in "buif":
        return Column(name, "number", array.astype(np.float64), (), str(array.dtype))
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.float64) / 1e6
        return Column(name, "time", np.where(np.isnat(array), np.nan, seconds), (), "datetime64")
    if array.dtype.kind == "m":
        seconds = array.astype("timedelta64[us]").astype(np.float64) / 1e6
        return Column(name, "number", np.where(np.isnat(array), np.nan, seconds), (), "timedelta64")
    return _of_objects(name, array.tolist())


def coded(name: str, words: Iterable[str | None], declared: str = "string") -> Column:
    """A column of categories: codes in the order of first sight."""
    known: dict[str, int] = {}
    codes = [math.nan if word is None else known.setdefault(word, len(known)) for word in words]
    return Column(name, "category", np.array(codes, np.float64), tuple(known), declared)


def _as_array(values: Sequence[Any]) -> NDArray[Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _of_objects(name: str, values: list[Any]) -> Column:
    there = [v for v in values if not _absent(v)]
    kinds = {type(v) for v in there}
    if kinds <= {bool, int, float, Decimal} or all(isinstance(v, np.number | np.bool_) for v in there):
        numbers = [math.nan if _absent(v) else float(v) for v in values]
        declared = "bool" if kinds == {bool} else "int64" if kinds == {int} else "float64"
        return Column(name, "number", np.array(numbers), (), declared)
    if kinds <= {datetime.datetime, datetime.date}:
        return Column(
            name, "time", np.array([math.nan if _absent(v) else _seconds(v) for v in values]), (), "datetime64"
        )
    return coded(name, (None if _absent(v) else str(v) for v in values))


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _seconds(value: datetime.date) -> float:
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
    return ((value if value.tzinfo else value.replace(tzinfo=datetime.UTC)) - EPOCH).total_seconds()
