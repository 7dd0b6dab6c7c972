"""Heads that never saw a supplier, and what they say of its labels, from sums alone: no row is read again.

With the head W of all other suppliers, the mean score that it gives to class b over a supplier's rows labelled a is the
row a of (first_g / count_g) W, which is linear in the rows: sums tell it exactly. Single rows are scored by
`scores_of`, one batch after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._ridge import RIDGE
from countermark.errors import Unusable
from countermark.features.grid import STEPS, Whole
from countermark.features.sums import Sums

INTERCEPT_RIDGE = 1e-6
Floats = NDArray[np.float64]


class LeftOut(NamedTuple):
    """A supplier, seen by all others.

    Attributes:
        weights: (d + 1, c), the head of all others; the last row is the intercept. Rows on the grid are divided by `STEPS`.
        means: (c, c), mean score of each class over this supplier's rows of each class; NaN where it has none.
    """

    weights: Floats
    means: Floats

    @property
    def margins(self) -> Floats:
        """(c,) mean score of other classes less that of its own, per class of the supplier's rows: more is worse."""
        own = self.means.diagonal()
        return np.asarray((self.means.sum(axis=1) - own) / max(1, len(own) - 1) - own)


def left_out(whole: Sums, parts: Iterable[Sums]) -> Iterator[LeftOut]:
    """One `LeftOut` per part, in order; parts may be read one at a time.

    Args:
        whole: sums over all rows that teach. parts: sums over each supplier's rows among them.

    Raises:
        Unusable: a part is no part of the whole, or everything.
    """
    penalty = np.full(whole.features + 1, RIDGE * whole.rows)
    penalty[-1] = INTERCEPT_RIDGE * whole.rows
    for part in parts:
        others = (whole - part).over(whole.classes)
        if not others.rows:
            raise Unusable("one supplier delivered everything", mend="there is nobody to compare it with")
        weights = _solved(others, penalty)
        yield LeftOut(weights, _means(part.over(whole.classes), weights))


def scores_of(rows: Whole, weights: Floats) -> Floats:
    """Scores of rows on the grid: float64 (n, c).

    Args:
        rows: (n, d) from `Grid.on`. weights: (d + 1, c) from `left_out`.
    """
    return np.asarray(rows @ (weights[:-1] / STEPS) + weights[-1])


def supplier_values(whole: Sums, seen: Iterable[tuple[Sums, LeftOut]]) -> Floats:
    """(suppliers,) mean margin of each supplier against the mean of its classes over all suppliers.

    Classes that one supplier alone delivers count for nothing; a supplier without others is NaN.

    Args:
        seen: per supplier its sums, and what `left_out` gave.
    """
    counts, margins = [], []
    for part, one in seen:
        counts.append(part.over(whole.classes).count)
        margins.append(np.nan_to_num(one.margins))
    count, margin = np.array(counts, np.float64), np.array(margins)
    count[:, (count > 0).sum(axis=0) < 2] = 0
    class_mean = (count * margin).sum(axis=0) / np.maximum(count.sum(axis=0), 1)
    rows = count.sum(axis=1)
    value = (count * (margin - class_mean)).sum(axis=1) / np.maximum(rows, 1)
    return np.where(rows > 0, value, np.nan)


def _solved(sums: Sums, penalty: Floats) -> Floats:
    from scipy.linalg import cho_factor, cho_solve

    d = sums.features
    gram = np.empty((d + 1, d + 1))
    gram[:d, :d] = sums.second / STEPS**2
    gram[d, :d] = gram[:d, d] = sums.first.sum(axis=0) / STEPS
    gram[d, d] = sums.rows
    gram[np.diag_indices(d + 1)] += penalty
    cross = np.vstack([sums.first.T / STEPS, sums.count[None, :]])
    return np.asarray(cho_solve(cho_factor(gram, overwrite_a=True), cross))


def _means(part: Sums, weights: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = part.first / STEPS / part.count[:, None]
    return np.asarray(middle @ weights[:-1] + weights[-1])
