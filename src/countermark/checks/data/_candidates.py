"""Directions along which some rows of a class may lie apart: those that the rows show, and those that were guessed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
DIRECTIONS, GUESSES, STEPS = 6, 12, 3
FEWEST_APART = 3
OUTLYING = 2.5


def unit(rows: Floats) -> Floats:
    """Rows brought to length one."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)


def candidates(rows: Floats, guessed: Floats) -> Floats:
    """(k, d) leading directions, drawn towards the rows out along them, and the best guesses, as they are and drawn; both ways.

    Args:
        rows: (n, d) whitened, of length one. guessed: (k, d) the same.
    """
    leading = np.linalg.svd(rows, full_matrices=False)[2][:DIRECTIONS]
    best = _best(rows, guessed)
    return np.concatenate([best, *(_drawn(rows, some) for some in (leading, -leading, best))])


def _best(rows: Floats, guessed: Floats) -> Floats:
    """The guesses along which a twentieth of the rows lies farthest out, in spreads of the other side, both ways."""
    if not len(guessed):
        return guessed
    along = rows @ guessed.T
    ordered = np.sort(along - np.median(along, axis=0), axis=0)
    return np.concatenate([guessed[_farthest(ordered)], -guessed[_farthest(-ordered[::-1])]])


def _farthest(ordered: Floats) -> NDArray[np.intp]:
    n = len(ordered)
    out = ordered[-max(FEWEST_APART, n // 20)] / np.maximum(-ordered[n // 10], 1e-6)
    return np.argsort(-out, kind="stable")[:GUESSES]


def _drawn(rows: Floats, directions: Floats) -> Floats:
    """Each direction turned towards the mean of the rows that lie out along it."""
    for _ in range(STEPS):
        along = rows @ directions.T
        along -= np.median(along, axis=0)
        bound = OUTLYING * 1.4826 * np.median(np.abs(along), axis=0)
        third = np.partition(along, len(along) - min(FEWEST_APART, len(along)), axis=0)[-min(FEWEST_APART, len(along))]
        out = (along > bound) | (along >= np.where((along > bound).sum(axis=0) < FEWEST_APART, third, np.inf))
        directions = unit(out.T.astype(np.float32) @ rows)
    return directions
