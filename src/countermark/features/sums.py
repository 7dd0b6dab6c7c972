"""What supplier tests need to know of the rows of a delivery: Z'Z, Z'Y and counts. They add up, and subtract, exactly.

A head without a supplier is solved from everybody's sums less that supplier's; a new delivery costs its own rows, and a
revoked one is taken away. See `grid` for why not even the last bit depends on the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from countermark.errors import Unusable
from countermark.features.grid import Whole

EXACT = 2.0**53
MOST_CLASSES = 4096
BLOCK = 2048
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over rows.

    Attributes:
        space: what the rows were put on: `Grid.digest`, or any text that is the same only where rows can be compared.
        classes: names, sorted, each once. count: int64 (c,), rows of each.
        first: float64 (c, d), the sum of the rows of each class (Y'Z). second: float64 (d, d), Z'Z. Both hold whole numbers.
    """

    space: str
    classes: tuple[str, ...]
    count: Counts
    first: Whole
    second: Whole

    @classmethod
    def none(cls, space: str, features: int) -> Sums:
        """Sums over no row."""
        return cls(space, (), np.zeros(0, np.int64), np.zeros((0, features)), np.zeros((features, features)))

    @classmethod
    def of(cls, space: str, rows: Whole, labels: Sequence[str]) -> Sums:
        """Sums over rows of whole numbers.

        Args:
            rows: float64 (n, d) from `Grid.on`. labels: n classes.

        Raises:
            Unusable: shapes disagree, over 4096 classes, rows that are no whole numbers, or too many to stay exact.
        """
        if rows.ndim != 2 or len(rows) != len(labels):
            raise Unusable(f"rows of shape {rows.shape} and {len(labels)} labels")
        if not np.array_equal(rows, np.rint(rows)):
            raise Unusable("rows that are not on a grid", mend="Grid.on")
        classes, code = np.unique(np.asarray(labels, str), return_inverse=True)
        if len(classes) > MOST_CLASSES:
            raise Unusable(f"{len(classes)} classes; the limit is {MOST_CLASSES}")
        first = np.zeros((len(classes), rows.shape[1]))
        for c in range(len(classes)):
            first[c] = rows[code == c].sum(axis=0)
        count = np.bincount(code, minlength=len(classes)).astype(np.int64)
        return _exact(cls(space, tuple(map(str, classes)), count, first, rows.T @ rows))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.count.sum())

    @property
    def features(self) -> int:
        """Number of features, d."""
        return int(self.second.shape[0])

    def __add__(self, other: Sums) -> Sums:
        """Sums over the rows of both.

        Raises:
            Unusable: they are not of one space, or too large to stay exact.
        """
        both = tuple(sorted({*self.classes, *other.classes}))
        one, two = self.over(both), other.over(both)
        _alike(one, two)
        return _exact(
            replace(one, count=one.count + two.count, first=one.first + two.first, second=one.second + two.second)
        )

    def __sub__(self, other: Sums) -> Sums:
        """Sums over the rows of this that are not in `other`, exactly as if those had never been added.

        Raises:
            Unusable: they are not of one space, or `other` is no part of this one.
        """
        if not set(other.classes) <= set(self.classes):
            raise Unusable("sums are taken from sums that they are no part of")
        one, two = self, other.over(self.classes)
        _alike(one, two)
        left = replace(one, count=one.count - two.count, first=one.first - two.first, second=one.second - two.second)
        if (left.count < 0).any() or (left.second.diagonal() < 0).any():
            raise Unusable("sums are taken from sums that they are no part of")
        kept = np.flatnonzero(left.count)
        if left.first[left.count == 0].any():
            raise Unusable("sums are taken from sums that they are no part of")
        return replace(
            left, classes=tuple(left.classes[c] for c in kept), count=left.count[kept], first=left.first[kept]
        )

    def over(self, classes: tuple[str, ...]) -> Sums:
        """The same, told over these classes, which hold its own: sorted, each once."""
        if classes == self.classes:
            return self
        at = np.searchsorted(np.asarray(classes, str), np.asarray(self.classes, str))
        count, first = np.zeros(len(classes), np.int64), np.zeros((len(classes), self.features))
        count[at], first[at] = self.count, self.first
        return replace(self, classes=classes, count=count, first=first)


class Adding:
    """Sums over a stream of rows: keeps the sums and a block of rows, however many there are."""

    def __init__(self, space: str, features: int) -> None:
        self._sums = Sums.none(space, features)
        self._blocks: list[tuple[Whole, Sequence[str]]] = []
        self._held = 0

    def add(self, rows: Whole, labels: Sequence[str]) -> None:
        """More rows, as `Sums.of`; they are kept until they make a block worth a matrix product."""
        self._blocks.append((rows, labels))
        self._held += len(rows)
        if self._held >= BLOCK:
            self._settle()

    def sums(self) -> Sums:
        """Sums over all rows so far."""
        if self._held:
            self._settle()
        return self._sums

    def _settle(self) -> None:
        rows = np.concatenate([r for r, _ in self._blocks])
        labels = [one for _, some in self._blocks for one in some]
        self._blocks, self._held = [], 0
        self._sums = self._sums + Sums.of(self._sums.space, rows, labels)


def total(parts: Sequence[Sums]) -> Sums:
    """Sums over the rows of all parts, of which there is at least one."""
    return reduce(Sums.__add__, parts)


def _alike(one: Sums, two: Sums) -> None:
    if one.space != two.space or one.features != two.features:
        raise Unusable(
            "sums of different spaces do not add up", why=f"{one.space[:16]} and {two.space[:16]}",
            mend="put all deliveries on one grid",
        )  # fmt: skip


def _exact(sums: Sums) -> Sums:
    # By the Cauchy-Schwarz inequality no sum of absolute products, nor any partial one, exceeds the largest square sum.
    largest = float(sums.second.diagonal().max(initial=0.0))
    if largest > EXACT or not np.isfinite(largest):
        raise Unusable("sums too large to be exact", why=f"a sum of squares is {largest:g}, above 2**53",
                       mend="keep more than one total")  # fmt: skip
    return sums
