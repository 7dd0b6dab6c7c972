"""How far a supplier's rows lie from other suppliers' rows of the same classes, property by property."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import Traits
from countermark.checks.data._view import LEAST_ROWS, View

LEAST_SHARE_SPREAD = 0.1
Floats = NDArray[np.float64]


class Effects(NamedTuple):
    """(suppliers, properties) each: the difference to others in the property's unit, in spreads of single rows, and the others' mean."""

    difference: Floats
    spreads: Floats
    others: Floats

    def at(self, supplier: int, trait: int) -> tuple[float, float, float]:
        """All three of one supplier and property."""
        return tuple(float(part[supplier, trait]) for part in self)  # type: ignore[return-value]  # three parts


def effects_of(view: View, traits: Traits, able: NDArray[np.intp]) -> Effects:
    """Mean difference to other suppliers' rows of the same class, averaged over the classes of each supplier in `able`.

    Others are summed up by their median; where a property is 0 or 1, by their mean, and its spread is never below 0.1, so
    that one missing cell in a column that misses none is no drift.
    """
    values = traits.values
    share = np.array([t.share for t in traits.each], bool)
    out, weight, usual = (
        np.zeros((len(view.suppliers), values.shape[1])),
        np.zeros(len(view.suppliers)),
        values.mean(axis=0),
    )
    level = np.zeros_like(out)
    of_class = [np.flatnonzero(view.label == c) for c in range(len(view.classes))]
    for s, c, rows in view.cells:
        others = of_class[c][view.supplier[of_class[c]] != s]
        if len(others) >= LEAST_ROWS:
            middle = np.where(share, values[others].mean(axis=0), np.median(values[others], axis=0))
            out[s] += len(rows) * (values[rows].mean(axis=0) - middle)
            level[s] += len(rows) * middle
            weight[s] += len(rows)
    total = np.maximum(weight, 1)[:, None]
    difference, others_mean = out / total, np.where(weight[:, None] > 0, level / total, usual)
    return Effects(difference[able], (difference / _spread(view, traits, share))[able], others_mean[able])


def _spread(view: View, traits: Traits, share: NDArray[np.bool_]) -> Floats:
    values, least = traits.values, np.array([t.least for t in traits.each])
    middle = np.stack([np.median(values[view.label == c], axis=0) for c in range(len(view.classes))])
    mad = 1.4826 * np.median(np.abs(values - middle[view.label]), axis=0)
    single = np.maximum(values.std(axis=0), LEAST_SHARE_SPREAD)
    return np.asarray(np.where(share, single, np.maximum(mad, least)))
