"""Rows of a table, as checks see them: equal rows, and what of each column suppliers are compared by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import Kind, Rows, Trait, Traits, Words
from countermark.features.columns import Column
from countermark.features.table import FAR, frequent, names_rows, robust

MOST_TRAITS = 2000
WORDS_COMPARED = 8
LEAST_NUMBER_SPREAD = 0.25  # of a column's own spread over all rows: less inside a class is rounding
DAY = 86400.0
Floats = NDArray[np.float64]

ROWS = Words(
    "row", "rows", "equal in every cell", "rows that differ in one cell only are not found",
    "values-differ", "delivers other values",
    "ask whether instrument, unit or export changed; train with such rows or ask for the agreed ones",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Columns without those of label, supplier and id; all of one length, at least one.

    schema: pandera's, as the caller gave it (JSON or YAML), for `data/schema`; None: one is inferred there.
    """

    columns: tuple[Column, ...]
    schema: bytes | None = None
    kind: Kind = "table"
    words: Words = ROWS

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def digests(self) -> list[bytes]:
        """As `Content.digests`: SHA-256 of a row's cells as doubles, every missing one the same."""
        cells = np.column_stack([np.where(c.missing, np.nan, c.values + 0.0) for c in self.columns])
        return [hashlib.sha256(row.tobytes()).digest() for row in cells]

    def thumbnails(self, rows: Rows) -> None:
        """As `Content.thumbnails`: there is nothing to see."""
        return

    def traits(self) -> Traits:
        """As `Content.traits`: each number's size, each missing cell, each frequent word; at most 2,000 in column order."""
        found = [one for column in self.columns for one in _traits(column)][:MOST_TRAITS]
        return Traits(np.column_stack([values for values, _ in found]), tuple(trait for _, trait in found))


def _traits(column: Column) -> Sequence[tuple[Floats, Trait]]:
    out = [(column.missing.astype(np.float64), _share(f"column {column.name}: missing"))]
    if column.kind == "category":
        often = [] if names_rows(column) else frequent(column, WORDS_COMPARED)
        return out + [
            ((column.values == code).astype(np.float64), _share(f"column {column.name}: {column.words[code]!r:.40}"))
            for code in often
        ]
    middle, spread = robust(column.values)
    with np.errstate(invalid="ignore", over="ignore"):
        z = np.nan_to_num((column.values - middle) / spread, nan=0.0, posinf=FAR, neginf=-FAR)
    unit = (spread / DAY, " days") if column.kind == "time" else (spread, "")
    return [*out, (np.clip(z, -FAR, FAR), _number(column.name, *unit))]


def _share(what: str) -> Trait:
    return Trait(True, lambda more, _, others: f"{what} in {others + more:.0%}, in {others:.0%} of the others'")


def _number(name: str, scale: float, unit: str) -> Trait:
    def words(more: float, spreads: float, _others: float) -> str:
        bound = "at least " if abs(more) > FAR / 2 else ""
        return f"column {name}: mean shifted by {bound}{abs(spreads):.1f} spreads ({more * scale:+.3g}{unit})"

    return Trait(False, words, LEAST_NUMBER_SPREAD)
