"""Is an empty stretch in a row of numbers more than the gaps that a heavy tail has anyway?

The spacings of an exponential tail are exponential themselves (Renyi, Acta Math. Hung. 1953): k times the way from a place to
the least of the k numbers above it, over the sum of what these exceed the least by, exceeds r with probability (1 + r)^-(k-1).
Heavier tails (whose hazard falls, such as powers) have relatively shorter gaps: for them the p-value is too large, never too
small. For lighter ones it is too small, which the least gap and the least excess, in spreads of honest rows, are there for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
FEWEST = 3
LEAST_EXCESS = 0.5  # a row's, in spreads of honest rows: a group closer together than that counts as no closer
LEAST_GAP = 3.0
INSIDE = 0.25  # of the stretch: honest rows of the other half may lie a little higher


class Cut(NamedTuple):
    """log_p: natural logarithm of the p-value of the stretch. at: a place in it, nearer its lower end. gap: its length."""

    log_p: float
    at: float
    gap: float


NONE = Cut(0.0, np.inf, 0.0)


def widest(along: Doubles) -> Cut:
    """The least likely empty stretch of at least three spreads with at least three numbers above it.

    Args:
        along: (n,) numbers, in spreads of honest ones. The p-value is of this cut alone: it was looked for.
    """
    ordered = np.maximum(np.sort(along), 0).astype(np.float64)
    return _least_likely(ordered[1:], ordered[:1], LEAST_GAP, 1) if len(ordered) > FEWEST else NONE


def at(along: Doubles, place: float) -> Cut:
    """The least likely stretch above a place that was chosen without these numbers; Bonferroni over the stretches there.

    What lies below the place does not count: a stretch that covers a given place is longer than others (the inspection
    paradox), while the way from the place to the next number is not (an exponential forgets).
    """
    above = np.sort(along[along > place]).astype(np.float64)
    if len(above) < FEWEST or len(above) == len(along):
        return NONE
    return _least_likely(above, np.array([place]), 0.0, len(above) - FEWEST + 1)


def _least_likely(ordered: Doubles, under: Doubles, least: float, tried: int) -> Cut:
    """Of the stretches below each number that has at least two above it; `under` lies below them all."""
    above = len(ordered) - np.arange(len(ordered) - FEWEST + 1, dtype=np.float64)
    first = ordered[: len(above)]
    gap = np.diff(np.concatenate([under, first]))
    excess = np.cumsum(ordered[::-1])[::-1][: len(above)] - above * first
    log_p = -(above - 1) * np.log1p(above * gap / np.maximum(excess, LEAST_EXCESS * above)) + np.log(tried)
    log_p[gap < least] = 0
    best = int(log_p.argmin())
    if log_p[best] >= 0:
        return NONE
    return Cut(float(log_p[best]), float(first[best] - (1 - INSIDE) * gap[best]), float(gap[best]))
