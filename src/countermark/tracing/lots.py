"""An exact test of whether a model knows which half of each pair was delivered.

A data owner pairs records of one class and lets a secret coin decide which half is delivered; the other is withheld. A model that was made
without the delivered halves is independent of the coins, whatever it is and however it was trained, so that the sign of each pair's
difference is a fair coin given the differences' sizes: a randomisation test (R. A. Fisher, "The Design of Experiments", 1935) with the ranks
of Wilcoxon (Biometrics Bulletin 1(6), 1945), brought to 16 levels so that the distribution is summed exactly. Nothing is assumed about the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
LEVELS = 16
LEAST_P = 1e-300
"""Smaller probabilities are told as this one."""
_TINY = 1e-30
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Lots:
    """What the test saw.

    Attributes:
        p: probability that a model without the delivered halves does as well, one-sided, rounded up. pairs: how many were asked about.
        decided: those whose halves the model answers differently. better: of those, how often the delivered half does better.
    """

    p: float
    pairs: int
    decided: int
    better: int


def margins(scores: NDArray[np.floating], truth: NDArray[np.integer]) -> Reals:
    """How far each record's own class lies above the best other one, (n,): difference of logits, or of logs of probabilities.

    Args:
        scores: (n, classes), two classes at least, finite. truth: (n,), the own class of each.
    """
    values = np.asarray(scores, np.float64)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        values = np.log(np.maximum(values, _TINY))
    rows = np.arange(len(values))
    own = values[rows, truth]
    others = values.copy()
    others[rows, truth] = -np.inf
    return np.asarray(own - others.max(axis=1), np.float64)


def compare(delivered: Reals, withheld: Reals) -> Lots:
    """Test the delivered halves against the withheld ones.

    Args:
        delivered, withheld: (n,), what the model says of each pair's halves; more is better known. Finite.
    """
    differences = np.asarray(delivered, np.float64) - np.asarray(withheld, np.float64)
    decided = differences[differences != 0]
    levels = _levels(np.abs(decided))
    better = decided > 0
    p = tail(levels, int(levels[better].sum()))
    return Lots(p, len(differences), len(decided), int(better.sum()))


def _levels(sizes: Reals) -> NDArray[np.int64]:
    """1 to LEVELS by the size's rank, ties alike: a function of sizes alone, which coins do not touch."""
    if not len(sizes):
        return np.zeros(0, np.int64)
    below = np.searchsorted(np.sort(sizes), sizes, side="left")
    return np.asarray(1 + below * LEVELS // len(sizes), np.int64)


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
