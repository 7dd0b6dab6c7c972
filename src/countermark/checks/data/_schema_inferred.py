"""A schema for one supplier from what all others deliver: ranges, nulls, whole numbers, categories. Wide on purpose.

Somebody always delivers the largest value, so that ranges are widened by half their width between the 1 % and the 99 %
quantile, and a few rows beyond are nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._frame import Broken
from countermark.checks.data._schema_document import pandera
from countermark.features.columns import Column
from countermark.features.table import names_rows

WIDENED = 0.5
LEAST_ROWS, LEAST_SHARE = 3, 0.02
OWN_WORDS = 0.1  # share of the other suppliers with words of their own beyond which that is in the column's nature
RARELY_MISSING = 0.001
WHOLE = "whole_numbers"
Codes = NDArray[np.intp]


def least(rows: int) -> int:
    """Rows of a delivery that must not fit before it is told."""
    return max(LEAST_ROWS, round(LEAST_SHARE * rows))


def of_others(columns: Sequence[Column], supplier: Codes, s: int) -> Any:
    """`pandera.DataFrameSchema` of the rows that others than supplier `s` delivered.

    Args:
        supplier: (n,) codes.
    """
    pa = pandera()
    others = supplier != s
    return pa.DataFrameSchema({c.name: _column(pa, c, others, supplier, s) for c in columns})


def words(broken: Broken) -> str:
    """A broken rule in words."""
    if broken.check.startswith("not_nullable"):
        return "missing, which it hardly ever is with others"
    if broken.check.startswith(WHOLE):
        return f"fractions, where all others have whole numbers (for instance {broken.example!r:.40})"
    if broken.check.startswith("isin"):
        return f"categories that nobody else has (for instance {broken.example!r:.40})"
    return f"far outside the others' range (for instance {broken.example!r:.40})"


def _column(pa: Any, column: Column, others: NDArray[np.bool_], supplier: Codes, s: int) -> Any:
    there = others & ~column.missing
    nullable = float(column.missing[others].mean()) > RARELY_MISSING
    if not there.any():
        return pa.Column(nullable=True)
    if column.kind == "category":
        return pa.Column(checks=_known_words(pa, column, there, supplier, s), nullable=nullable)
    values = column.values[there & np.isfinite(column.values)]
    if column.kind == "time" or not len(values):
        return pa.Column(nullable=nullable)
    low, high = values.min(), values.max()
    more = WIDENED * float(np.subtract(*np.quantile(values, [0.99, 0.01])))
    checks = [pa.Check.in_range(float(low - more), float(high + more))]
    if (values == np.rint(values)).all():
        checks.append(pa.Check(lambda x: (x % 1) == 0, name=WHOLE, error=WHOLE, ignore_na=True))
    return pa.Column(checks=checks, nullable=nullable)


def _known_words(pa: Any, column: Column, there: NDArray[np.bool_], supplier: Codes, s: int) -> list[Any]:
    """The others' words, unless words of one's own are usual in this column: names of rows, persons or instruments."""
    if names_rows(column):
        return []
    codes, makers = column.values[there].astype(np.intp), supplier[there]
    pairs = np.unique(np.stack([codes, makers]), axis=1)
    owned = np.bincount(pairs[0], minlength=len(column.words)) == 1
    with_own = {int(m) for c, m in pairs.T if owned[c]}
    if len(with_own) > OWN_WORDS * len(np.unique(makers)):
        return []
    return [pa.Check.isin([column.words[c] for c in np.unique(codes)])]
