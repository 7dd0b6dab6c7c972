"""Empirical nulls: how far a statistic lies from the same statistic over everybody else.

Honest suppliers differ, so they are not exchangeable and permuting rows accuses innocents. What is compared
instead is the spread of the statistic itself over the other suppliers or cells: its median and its median
absolute deviation, which a minority of attackers cannot move, with Student's t tails for heavy-tailed honest
differences (Efron, "Large-scale simultaneous hypothesis testing", JASA 2004, for the empirical null).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DEGREES = 8.0
LEAST_SPREAD = 1e-9


def robust_z(values: Floats) -> Floats:
    """(x - median) / (1.4826 * median absolute deviation); zeros where fewer than 5 values can be compared."""
    x = np.asarray(values, float)
    if len(x) < 5:
        return np.zeros(len(x))
    centre = np.median(x)
    spread = 1.4826 * np.median(np.abs(x - centre))
    # Many equal values make the MAD zero; the mean absolute deviation then still has a scale.
    spread = max(spread, 0.25 * float(np.mean(np.abs(x - centre))), LEAST_SPREAD)
    return np.asarray((x - centre) / spread)


def tail_p(z: Floats, degrees: float = DEGREES) -> Floats:
    """One-sided p-values of robust scores under Student's t, in (0, 1]."""
    from scipy.stats import t

    return np.clip(t.sf(z, degrees), 1e-300, 1.0)


def rank_p(values: Floats, null: Floats) -> Floats:
    """One-sided p-values by rank among null values: (1 + number of nulls at least as large) / (1 + nulls)."""
    ordered = np.sort(null)
    larger = len(ordered) - np.searchsorted(ordered, values, side="left")
    return np.asarray((1.0 + larger) / (1.0 + len(ordered)))


def holm(p: Floats) -> Floats:
    """Holm's step-down adjusted p-values: family-wise error control without assumptions on dependence."""
    order = np.argsort(p, kind="stable")
    scaled = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    out = np.empty(len(p))
    out[order] = np.clip(scaled, 0, 1)
    return out


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p-values that control the false discovery rate (Benjamini and Hochberg 1995)."""
    order = np.argsort(p, kind="stable")[::-1]
    scaled = np.minimum.accumulate(p[order] * len(p) / (len(p) - np.arange(len(p))))
    out = np.empty(len(p))
    out[order] = np.clip(scaled, 0, 1)
    return out
