"""An index of 64-bit hashes: every hash within 7 bits of a query is found, and a new delivery is added without the old pictures.

Multi-index hashing (Norouzi et al., 2012): of four bands of 16 bits, two hashes at most 7 bits apart differ by at most one bit in one
band, so that 17 look-ups in each of four tables find them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST_RADIUS = 7
BANDS, WIDTH = 4, 16
MOST_SEGMENTS = 8
CHUNK = 1 << 21
Codes = NDArray[np.uint64]
Rows = NDArray[np.intp]
_PROBES = np.array([0, *(1 << bit for bit in range(WIDTH))], np.int64)


@dataclass(frozen=True, slots=True)
class _Table:
    """One band of a segment: hashes in order of the band, their places, and where each value of the band starts."""

    codes: Codes
    place: NDArray[np.uint32]
    start: NDArray[np.int64]

    @classmethod
    def of(cls, codes: Codes, band: int) -> _Table:
        key = _key(codes, band)
        order = np.argsort(key, kind="stable")
        start = np.searchsorted(key[order], np.arange((1 << WIDTH) + 1))
        return cls(codes[order], order.astype(np.uint32), start)


@dataclass(slots=True)
class HashIndex:
    """Hashes by row number, in the order in which they were added.

    About 60 bytes a row. `codes` is all there is to keep on disk: adding them again gives the same answers.
    """

    codes: Codes = field(default_factory=lambda: np.zeros(0, np.uint64))
    _segments: list[tuple[int, int, tuple[_Table, ...]]] = field(default_factory=list)

    def add(self, codes: Codes) -> None:
        """Append hashes, uint64 (n,); their row numbers follow on."""
        first = len(self.codes)
        self.codes = np.concatenate([self.codes, codes])
        if len(self._segments) >= MOST_SEGMENTS:
            first = 0
            self._segments.clear()
        part = self.codes[first:]
        self._segments.append((first, len(part), tuple(_Table.of(part, band) for band in range(BANDS))))

    def near(self, codes: Codes, radius: int) -> tuple[Rows, Rows, NDArray[np.uint8]]:
        """Every stored hash at most `radius` bits (0 to 7) from a query: query, row and distance, in that order.

        Raises:
            ValueError: a radius that the tables cannot promise.
        """
        if not 0 <= radius <= MOST_RADIUS:
            raise ValueError(f"radius {radius}: 0 to {MOST_RADIUS}")
        found = [np.zeros(0, np.int64)]
        for first, _, tables in self._segments:
            for band, table in enumerate(tables):
                found += [hits + first for hits in self._hits(codes, radius, band, table)]
        both = np.unique(np.concatenate(found))
        query, row = np.divmod(both, max(len(self.codes), 1))
        return query, row, np.bitwise_count(codes[query] ^ self.codes[row])

    def _hits(self, codes: Codes, radius: int, band: int, table: _Table) -> list[NDArray[np.int64]]:
        """query * rows + place of what one band finds."""
        out = []
        order = np.argsort(_key(codes, band), kind="stable")
        sorted_codes = codes[order]
        key = _key(sorted_codes, band)
        for probe in _PROBES:
            at = table.start[key ^ probe]
            count = table.start[(key ^ probe) + 1] - at
            total = np.cumsum(count)
            for low, high in _chunks(total):
                many = count[low:high]
                query = np.repeat(np.arange(low, high), many)
                offset = np.repeat(at[low:high] - np.cumsum(many) + many, many)
                place = offset + np.arange(len(query))
                near = np.bitwise_count(table.codes[place] ^ sorted_codes[query]) <= radius
                out.append(order[query[near]] * len(self.codes) + table.place[place[near]])
        return out


def _chunks(total: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of queries with about two million candidates together, or one query alone."""
    out, low, done = [], 0, 0
    while low < len(total) and total[-1] > done:
        high = max(low + 1, int(np.searchsorted(total, done + CHUNK, side="right")))
        out.append((low, high))
        low, done = high, int(total[high - 1])
    return out


def _key(codes: Codes, band: int) -> NDArray[np.int64]:
    return np.asarray((codes >> np.uint64(WIDTH * band)) & np.uint64((1 << WIDTH) - 1), np.int64)
