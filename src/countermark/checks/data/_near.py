"""Pairs of pictures that are one picture: what looks most alike, registered, and judged by how it differs.

Pictures of one class may be as alike as a copy and its picture, so that no fixed likeness will do: a pair is told where it differs
less, in the ways in which photographs differ and copies do not, than either picture differs from others that look like it (compare
the ratio to the next best of Lowe, 2004). Two photographs have noise of like strength and share none of it, which speaks against a
copy; a copy has the noise of its picture, or little once it was compressed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._looked import Looked, coarse, fine
from countermark.checks.data._nearest import MOST_COMPARED, candidates
from countermark.checks.data._prints import prints

# Logistic regression on honest and planted pairs of seeds 0 to 2 (benchmarks/duplicates.py), of the logarithms of: what movement
# explains of the difference; the same for the next best pair of either row, and for typical neighbours; all that is left. Then of
# the noise that they share, and of the noise that both have and do not share.
WEIGHTS = np.array([-3.2, 2.1, 0.75, -0.3, 1.7, -7.0])
CONSTANT = -10.6
LEAST_MOVEMENT, LEAST_OTHER, LEAST_LEFT = 2e-5, 1e-4, 2e-4
LEAST_OTHER_SMALL = (
    2e-3  # honest small pictures differ by more: what differs by less is another copy, which must not hide this one
)
UNKNOWN = 0.05  # movement between rows that are not alike enough to be looked at
SURE_NOISE, SURE_MOVEMENT = 0.7, 1.5e-3  # a copy, however alike others are: no two photographs share that much noise
SURE_UNSHARED = 0.8  # never a copy: noise as strong as each other's, and another
WORTH_A_LOOK = -4.0  # of the score, coarsely, with all noise taken for shared
LEAST_SIDE = 48  # smaller pictures have no calm parts that show a camera's noise
Pixels = NDArray[np.uint8]
Rows = NDArray[np.intp]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Confirmed pairs: rows `one` of the first set and `other` of the second.

    all_compared: every row was compared with every other; else only those whose hashes are alike.
    """

    one: Rows
    other: Rows
    all_compared: bool = True


def within(images: Pixels, side: int | None = None) -> Pairs:
    """Pairs (one < other) inside a set of uint8 (n, h, w, 3), no two of them equal.

    Args:
        side: smallest side that a picture had before it was enlarged, where it was.
    """
    if len(images) < 2:
        return Pairs(np.zeros(0, np.intp), np.zeros(0, np.intp))
    shown = prints(images)
    looked = coarse(shown, candidates(shown))
    near, usual = _others(looked, len(images))
    noises = np.zeros((len(looked.pairs), 2), np.float32)
    if (min(images.shape[1:3]) if side is None else side) < LEAST_SIDE:
        near, usual = (np.maximum(v, LEAST_OTHER_SMALL) for v in (near, usual))
    else:
        worth = _score(looked, near, usual, noises + np.float32(1)) > WORTH_A_LOOK
        near, usual = near[worth], usual[worth]
        looked, noises = fine(images, looked.some(worth))
    one, other, _ = looked.pairs[_score(looked, near, usual, noises) > 0].T
    return Pairs(one, other, len(images) <= MOST_COMPARED)


def between(known: Pixels, new: Pixels, side: int | None = None) -> Pairs:
    """Pairs of a known picture and a new one, both uint8 of one size, no two of them equal; `side` as `within` takes it."""
    every = within(np.concatenate([known, new]), side)
    across = (every.one < len(known)) & (every.other >= len(known))
    return Pairs(every.one[across], every.other[across] - len(known), every.all_compared)


def _score(looked: Looked, near: Values, usual: Values, noises: NDArray[np.float32]) -> Values:
    """Log odds that each pair is one picture."""
    shared = np.clip(noises[:, 0], 0, 1)
    logs = [
        np.log(np.maximum(value, least))
        for value, least in (
            (looked.movement, LEAST_MOVEMENT), (near, LEAST_OTHER), (usual, LEAST_OTHER), (looked.left, LEAST_LEFT)
        )
    ]  # fmt: skip
    unshared = np.clip(noises[:, 1] - shared, 0, 1)
    odds = np.stack([*logs, shared, unshared], axis=1) @ WEIGHTS + CONSTANT
    sure = (shared > SURE_NOISE) & (looked.movement < SURE_MOVEMENT)
    return np.asarray(np.where(unshared > SURE_UNSHARED, -np.inf, np.where(sure, np.maximum(odds, 1), odds)))


def _others(looked: Looked, n: int) -> tuple[Values, Values]:
    """What movement explains for the best other pair of either row, and what is usual near them, for every pair: (m,) each."""
    row = np.concatenate([looked.pairs[:, 0], looked.pairs[:, 1]])
    beside = np.concatenate([looked.pairs[:, 1], looked.pairs[:, 0]])
    movement = np.concatenate([looked.movement, looked.movement]).astype(np.float64)
    best, second = (_ranked(row, movement, n, rank) for rank in (0, 1))
    # For a row whose best pair this is, the other best is its second.
    others = [np.where(best[r] >= looked.movement, second[r], best[r]) for r in looked.pairs[:, :2].T]
    usual = _ranked(row, second[beside], n, None)
    return np.minimum(*others), np.sqrt(usual[looked.pairs[:, 0]] * usual[looked.pairs[:, 1]])


def _ranked(row: Rows, value: Values, n: int, rank: int | None) -> Values:
    """For each of n rows its value of a rank (0: least; None: the median), UNKNOWN where it has too few."""
    order = np.lexsort((value, row))
    first = np.searchsorted(row[order], np.arange(n + 1))
    count = np.diff(first)
    place = count // 2 if rank is None else np.full(n, rank)
    out = np.full(n, UNKNOWN)
    has = count > place
    out[has] = value[order[(first[:-1] + place)[has]]]
    return out
