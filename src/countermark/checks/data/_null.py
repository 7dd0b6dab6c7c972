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
FEWEST_DEGREES = 2.0
LIGHTEST = 20.0
MANY = 200
LEAST_COMPARED = 5
LEAST_SPREAD = 1e-9
QUANTILE = 0.97


def robust_z(values: Floats, least: float = LEAST_SPREAD) -> Floats:
    """(x - median) / (1.4826 * median absolute deviation): (n,); zeros where fewer than 5 can be compared.

    Args:
        least: spread below which differences mean nothing, in the unit of the values.
    """
    x = np.asarray(values, float)
    if len(x) < LEAST_COMPARED:
        return np.zeros(len(x))
    centre = np.median(x)
    spread = 1.4826 * np.median(np.abs(x - centre))
    if spread < LEAST_SPREAD:  # more than half are equal: the mean absolute deviation still has a scale
        spread = float(np.mean(np.abs(x - centre)))
    spread = max(spread, least)
    return np.asarray((x - centre) / spread)


def degrees(z: Floats, lightest: float = LIGHTEST) -> float:
    """Degrees of freedom of the Student's t whose upper tail is as heavy as that of these robust scores.

    Matched at the 97 % quantile, which fewer than 3 % of attackers cannot move far; never lighter than `lightest`.
    With fewer than 200 scores no tail can be seen: a quarter of their number is taken, 2 to 8, because the spread
    of a few scores is itself uncertain.
    """
    from scipy.stats import t

    if len(z) < MANY:
        return float(np.clip(len(z) / 4, FEWEST_DEGREES, min(DEGREES, lightest)))
    seen = float(np.quantile(z, QUANTILE))
    for nu in (LIGHTEST, 15.0, 12.0, 10.0, DEGREES, 6.0, 5.0, 4.0):
        if nu <= lightest and seen <= t.ppf(QUANTILE, nu) / (t.ppf(0.75, nu) * 1.4826):
            return nu
    return 3.0


def tail_p(z: Floats, lightest: float = LIGHTEST) -> Floats:
    """One-sided p-values of robust scores under Student's t with `degrees`, in (0, 1]."""
    from scipy.stats import t

    nu = degrees(z, lightest)
    # robust_z scales to a normal's quartiles; the t has quartiles of its own.
    return np.asarray(np.clip(t.sf(z * t.ppf(0.75, nu) * 1.4826, nu), 1e-300, 1.0))


def rank_p(values: Floats, null: Floats) -> Floats:
    """One-sided p-values by rank among null values: (1 + number of nulls at least as large) / (1 + nulls)."""
    ordered = np.sort(null)
    larger = len(ordered) - np.searchsorted(ordered, values, side="left")
    return np.asarray((1.0 + larger) / (1.0 + len(ordered)))


def bulk_p(values: Floats, null: Floats, least: float = LEAST_SPREAD) -> Floats:
    """One-sided p-values by rank among null values, continued above the largest of them by an exponential tail.

    The tail falls as slowly as the slower of two stretches of the null does (90 % to 99 %, 99 % to the largest), so that
    what lies beyond keeps its order and a heavy tail is not taken for evidence.

    Args:
        least: scale below which the tail never falls, in the unit of the values; 1 for logarithms of p-values.
    """
    ordered = np.sort(null)
    q90, q99, largest = (float(np.quantile(ordered, q)) for q in (0.90, 0.99, 1.0))
    far = max(np.log(0.01 * (len(ordered) + 1)), 1.0)
    scale = max((q99 - q90) / np.log(10), (largest - q99) / far, least)
    beyond = np.clip((values - largest) / scale, 0, 600)
    return np.asarray(rank_p(values, ordered) * np.exp(-beyond))


def holm(p: Floats, families: int = 1) -> Floats:
    """Holm's step-down adjusted p-values: family-wise error control without assumptions on dependence.

    Args:
        families: of how many such families this is one; the error is controlled over all (Bonferroni over families).
    """
    order = np.argsort(p, kind="stable")
    scaled = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    out = np.empty(len(p))
    out[order] = np.clip(families * scaled, 0, 1)
    return out
