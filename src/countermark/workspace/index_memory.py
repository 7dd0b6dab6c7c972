"""The index in memory, for tests: it fails when it is told to, before or after the rows were taken up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from countermark.errors import LedgerRefused, Unusable
from countermark.workspace.index import Row, Shelf, shelves

Fate = Literal["lost", "kept"]


class MemoryIndex:
    """`Index` in a dictionary; `kept` may be changed by a test as a server's other users could."""

    optional = False
    place = "memory"

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Row]] = {}
        self.asked: list[Shelf] = []
        self._fate: Fate | None = None

    def fail(self, fate: Fate) -> None:
        """Let the next write fail: its rows are lost, or kept although it reports failure."""
        self._fate = fate

    def rows(self, project: str, shelf: Shelf, most: int) -> list[Row] | None:
        """As `Index.rows`."""
        self.asked.append(shelf)
        if project not in self.kept:
            return None
        return sorted(row for row in self.kept[project].values() if shelf in shelves(row))[:most]

    def add(self, project: str, rows: Sequence[Row]) -> None:
        """As `Index.add`."""
        if project not in self.kept:
            raise LedgerRefused("this index was never made", mend="`countermark ledger rebuild-index`")
        self._write(project, self.kept[project] | {row.statement: row for row in rows})

    def replace(self, project: str, rows: Iterable[Row]) -> None:
        """As `Index.replace`."""
        self._write(project, {row.statement: row for row in rows})

    def _write(self, project: str, rows: dict[str, Row]) -> None:
        fate, self._fate = self._fate, None
        if fate != "lost":
            self.kept[project] = rows
        if fate:
            raise Unusable(f"this index was told to fail: {fate}")
