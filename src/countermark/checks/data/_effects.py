"""How far rows lie from others of the same classes, property by property."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import Traits
from countermark.checks.data._view import LEAST_ROWS, View

LEAST_SHARE_SPREAD = 0.1
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Which = NDArray[np.bool_]


class Effects(NamedTuple):
    """(parts, properties) each: the difference to others in the property's unit, in spreads of single rows, and the others' middle."""

    difference: Floats
    spreads: Floats
    others: Floats

    def at(self, part: int, trait: int) -> tuple[float, float, float]:
        """All three of one part and property."""
        return float(self.difference[part, trait]), float(self.spreads[part, trait]), float(self.others[part, trait])


def effects_of(view: View, traits: Traits, parts: Iterable[tuple[Rows, Which]], least: int = LEAST_ROWS) -> Effects:
    """Mean difference to others' rows of the same class, averaged over the rows of each part; 0 where nothing can be compared.

    Others are summed up by their median; where a property is 0 or 1, by their mean, and its spread is never below 0.1, so
    that one missing cell in a column that misses none is no drift.

    Args:
        parts: rows, and (n,) the rows that they are compared with; at least one. least: of others' rows of a class.
    """
    of_class = [np.flatnonzero(view.label == c) for c in range(len(view.classes))]
    each = []
    for rows, whom in parts:
        pairs = [(rows[view.label[rows] == c], of_class[c][whom[of_class[c]]]) for c in np.unique(view.label[rows])]
        each.append(_compared(traits, [(mine, others) for mine, others in pairs if len(others) >= least]))
    difference, level = (np.array(column) for column in zip(*each, strict=True))
    return Effects(difference, difference / spreads(view, traits), level)


def _compared(traits: Traits, pairs: list[tuple[Rows, Rows]]) -> tuple[Floats, Floats]:
    """(properties,) each, over pairs of rows and others of one class: the mean difference, and the others' middle."""
    values, shares = traits.values, traits.shares
    out, level, weight = np.zeros((3, values.shape[1]))
    for mine, others in pairs:
        usual = np.where(shares, values[others].mean(axis=0), middle(values[others]))
        apart = values[mine] - usual
        count = np.isfinite(apart).sum(axis=0)
        out, level, weight = out + np.nansum(apart, axis=0), level + count * np.nan_to_num(usual), weight + count
    return out / np.maximum(weight, 1), level / np.maximum(weight, 1)


def spreads(view: View, traits: Traits) -> Floats:
    """(properties,) robust spread of single rows inside their class, at least each property's least."""
    values, least = traits.values, np.array([t.least for t in traits.each])
    middles = np.stack([middle(values[view.label == c]) for c in range(len(view.classes))])
    robust = 1.4826 * middle(np.abs(values - middles[view.label]))
    single = np.maximum(values.std(axis=0), LEAST_SHARE_SPREAD)
    return np.asarray(np.where(traits.shares, single, np.maximum(np.nan_to_num(robust), least)))


def middle(values: Floats) -> Floats:
    """Medians of columns, of what is a number; NaN where nothing is."""
    known = np.isfinite(values)
    if known.all():
        return np.asarray(np.median(values, axis=0))
    ordered = np.sort(values, axis=0)  # NaN last
    count = known.sum(axis=0)
    low, high, column = np.maximum(count - 1, 0) // 2, count // 2, np.arange(values.shape[1])
    high = np.minimum(high, len(values) - 1)
    return np.where(count > 0, (ordered[low, column] + ordered[high, column]) / 2, np.nan)
