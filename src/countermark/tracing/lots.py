"""An exact test of whether a model knows which half of each pair was delivered.

A data owner pairs records of one class and lets a secret coin decide which half is delivered; the other is withheld. A model that was made
without the delivered halves is independent of the coins, whatever it is and however it was trained, so that the sign of each pair's
difference is a fair coin given the differences' sizes: R. A. Fisher's randomisation test of paired differences ("The Design of Experiments",
1935), with sizes brought to whole levels so that the distribution is summed exactly. Nothing is assumed about the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
LEVELS = 64
_TOP = 0.95
LEAST_P = 1e-300
"""Smaller probabilities are told as this one."""
_LEAST_KNOWN, _ROUNDED = 1e-4, 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Lots:
    """What the test saw.

    Attributes:
        p: probability that a model without the delivered halves does as well, one-sided, rounded up. pairs: how many were asked about.
        decided: those whose halves the model answers differently enough to count. better: of those, how often the delivered half does better.
    """

    p: float
    pairs: int
    decided: int
    better: int


def known(scores: NDArray[np.floating], truth: NDArray[np.integer]) -> Reals:
    """Log of the probability that a model gives each record's own class, (n,): less loss is more.

    Args:
        scores: (n, classes), two classes at least, finite; probabilities where none is below nought and every record's add up to one
            within 0.05 (servers round), and then 0.0001 at least; otherwise logits. truth: (n,), the own class of each.
    """
    values = np.asarray(scores, np.float64)
    own = values[np.arange(len(values)), truth]
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, rtol=0, atol=_ROUNDED):
        return np.asarray(np.log(np.maximum(own, _LEAST_KNOWN)), np.float64)
    highest = values.max(axis=1)
    return np.asarray(own - highest - np.log(np.exp(values - highest[:, None]).sum(axis=1)), np.float64)


def compare(delivered: Reals, withheld: Reals) -> Lots:
    """Test the delivered halves against the withheld ones.

    Args:
        delivered, withheld: (n,), what the model says of each pair's halves; more is better known. Finite.
    """
    differences = np.asarray(delivered, np.float64) - np.asarray(withheld, np.float64)
    levels = _levels(np.abs(differences))
    decided, better = levels > 0, differences > 0
    p = tail(levels[decided], int(levels[better].sum()))
    return Lots(p, len(differences), int(decided.sum()), int((decided & better).sum()))


def _levels(sizes: Reals) -> NDArray[np.int64]:
    """0 to LEVELS in proportion to size, the largest 5 % alike: a function of sizes alone, which coins do not touch."""
    if not (sizes > 0).any():
        return np.zeros(len(sizes), np.int64)
    top = np.quantile(sizes[sizes > 0], _TOP, method="lower")
    return np.asarray(np.rint(np.minimum(sizes, top) / top * LEVELS), np.int64)


def tail(levels: NDArray[np.int64], least: int) -> float:
    """Probability that levels, each kept by a fair coin, sum to `least` or more; rounded up, so never too small.

    Args:
        levels: (n,) whole numbers from 1 to LEVELS. least: 0 to their sum.
    """
    sums = np.ones(1)
    for level, count in zip(*np.unique(levels, return_counts=True), strict=True):
        sums = _with(sums, int(level), _binomial(int(count)))
    return float(min(1.0, max(LEAST_P, sums[least:].sum() * (1 + _ROUNDING))))


def _with(sums: Reals, level: int, kept: Reals) -> Reals:
    """Distribution of the sum when some levels of one size are added: `kept[k]` says how probably k of them are."""
    out = np.zeros(len(sums) + level * (len(kept) - 1))
    for number, probability in enumerate(kept):
        if probability:
            out[number * level : number * level + len(sums)] += probability * sums
    return out


def _binomial(count: int) -> Reals:
    """Probability of each number of heads in `count` fair tosses, (count + 1,)."""
    from scipy.special import gammaln

    heads = np.arange(count + 1)
    logs = gammaln(count + 1) - gammaln(heads + 1) - gammaln(count - heads + 1) - count * np.log(2)
    return np.asarray(np.exp(logs), np.float64)
