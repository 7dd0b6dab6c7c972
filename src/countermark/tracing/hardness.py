"""Which records a model will hardly get right unless it has seen them: those that lie nearer to another class than to their own.

A model that fits its data knows such records from training and errs on others like them, so that they tell most per record withheld. They are chosen by
their pictures alone, before any coin is tossed, so that the choice cannot touch the test.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 16
MOST_COMPARED = 10_000
_BLOCK = 256


def hardness(pixels: NDArray[np.uint8], classes: NDArray[np.int64], seed: int = 0) -> NDArray[np.float64]:
    """Distance to the nearest record of the own class less that to the nearest of another, (n,); more is harder.

    Args:
        pixels: (n, ...) alike in shape. classes: (n,). seed: chooses with which 10,000 records each is compared where there are more.
    """
    flat = pixels.reshape(len(pixels), -1).astype(np.float32) / 255
    some = np.sort(np.random.default_rng(seed).permutation(len(flat))[:MOST_COMPARED])
    known, squares = flat[some], np.einsum("ij,ij->i", flat[some], flat[some])
    out = np.empty(len(flat))
    for at in range(0, len(flat), _BLOCK):
        rows = np.arange(at, min(at + _BLOCK, len(flat)))
        near = np.maximum(
            squares - 2 * flat[rows] @ known.T + np.einsum("ij,ij->i", flat[rows], flat[rows])[:, None], 0
        )
        near[rows[:, None] == some[None, :]] = np.inf
        same = classes[rows][:, None] == classes[some][None, :]
        own, other = np.where(same, near, np.inf).min(axis=1), np.where(same, np.inf, near).min(axis=1)
        out[rows] = np.sqrt(np.minimum(own, _FAR)) - np.sqrt(np.minimum(other, _FAR))
    return out


_FAR = 1e9
