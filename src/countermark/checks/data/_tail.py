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
    """The least likely empty stretch of at least three units with at least three numbers above it.

    Args:
        along: (n,) numbers, in spreads of honest ones. The p-value is of this cut alone: it was looked for.
    """
    ordered = np.sort(along).astype(np.float64)
    n = len(ordered)
    if n <= FEWEST:
        return NONE
    ordered = np.maximum(ordered, 0)
    first = np.arange(1, n - FEWEST + 1)
    above = (n - first).astype(np.float64)
    excess = np.cumsum(ordered[::-1])[::-1][first] - above * ordered[first]
    gap = ordered[first] - ordered[first - 1]
    log_p = _log_p(above, gap, excess)
    log_p[gap < LEAST_GAP] = 0
    best = int(log_p.argmin())
    if not log_p[best]:
        return NONE
    return Cut(float(log_p[best]), float(ordered[first[best]] - (1 - INSIDE) * gap[best]), float(gap[best]))


def at(along: Doubles, place: float) -> Cut:
    """The empty stretch above a place that was chosen without these numbers: its p-value holds as it stands.

    What lies below the place does not count: a stretch that covers a given place is longer than others (the inspection
    paradox), while the way from the place to the next number is not (an exponential forgets).
    """
    above, below = along[along > place], along[along <= place]
    if len(above) < FEWEST or not len(below):
        return NONE
    least = float(above.min())
    log_p = _log_p(np.array([float(len(above))]), np.array([least - place]), np.array([(above - least).sum()]))
    return Cut(float(log_p[0]), place, least - float(below.max()))


def _log_p(above: Doubles, spacing: Doubles, excess: Doubles) -> Doubles:
    """Logarithm of (1 + k spacing / excess)^-(k - 1)."""
    return np.asarray(-(above - 1) * np.log1p(above * spacing / np.maximum(excess, LEAST_EXCESS * above)))
