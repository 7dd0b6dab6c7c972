"""Brings one picture of a pair onto the other: scale and place along both axes, by Gauss-Newton steps on all pairs at once.

The inverse compositional method (Baker and Matthews, 2004): the template's slopes and their normal matrix are made once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN = 3 / 32  # of the side, at each edge, is not compared: a border, or what a crop took away
STEP = np.array([0.06, 1 / 32, 0.06, 1 / 32], np.float32)
LEAST = np.array([-0.2, -0.1, -0.2, -0.1], np.float32)
MOST = np.array([0.25, 0.1, 0.25, 0.1], np.float32)
Floats = NDArray[np.float32]


def start_of(first: Floats, other: Floats) -> Floats:
    """Where to start from where two pictures show what they show (`Prints.place`): (n, 4) as `register` takes it."""
    out = []
    for at in (0, 2):
        scale = other[:, at] / first[:, at]
        out += [scale - 1, (other[:, at + 1] - first[:, at + 1] * scale) / 32]
    return np.clip(np.stack(out, axis=1), LEAST, MOST)


def register(first: Floats, other: Floats, start: Floats, steps: int) -> tuple[Floats, Floats]:
    """Scale less 1 and shift (as a share of the side) down, then across: (n, 4), and the correlation that they reach: (n,).

    Args:
        first, other: float32 (n, s, s). start: (n, 4).
    """
    inner = within(first.shape[1])
    template, length = unit(first[:, inner, inner])
    slopes = _slopes(first, inner) / length[:, None]
    slopes -= slopes.mean(axis=2, keepdims=True)
    slopes -= np.matmul(slopes, template[..., None]) * template[:, None]
    normal = np.matmul(slopes, slopes.swapaxes(1, 2))
    ridge = 1e-3 * np.trace(normal, axis1=1, axis2=2) + 1e-6
    solve = np.matmul(np.linalg.inv(normal + ridge[:, None, None] * np.eye(4, dtype=np.float32)), slopes)
    at = best = start
    reached = np.full(len(first), -2, np.float32)
    for step in range(steps + 1):
        moved, _ = unit(warp(other, at, inner))
        like = np.einsum("nk,nk->n", moved, template)
        better = like > reached
        best, reached = np.where(better[:, None], at, best), np.maximum(like, reached)
        if step < steps:
            at = _composed(at, np.matmul(solve, (moved - template)[..., None])[..., 0])
    return best, reached


def warp(pictures: Floats, at: Floats, inner: slice = slice(None)) -> Floats:
    """Pictures (n, s, s) as `register` moved them; edges are repeated."""
    side = pictures.shape[1]
    down, across = (_lines(at[:, a], at[:, a + 1], side, inner) for a in (0, 2))
    return np.asarray(down @ pictures @ across.swapaxes(1, 2))


def within(side: int) -> slice:
    """Lines that are compared."""
    edge = round(MARGIN * side)
    return slice(edge, side - edge)


def unit(pictures: Floats) -> tuple[Floats, Floats]:
    """Pixels (n, k) of mean 0 and length 1, and the lengths (n, 1)."""
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.maximum(np.sqrt(np.einsum("nk,nk->n", flat, flat))[:, None], 1e-3)
    return flat / length, length


def _lines(scale: Floats, shift: Floats, side: int, inner: slice) -> Floats:
    """(n, lines, side) weights of linear interpolation."""
    line = np.arange(side, dtype=np.float32)
    middle = np.float32((side - 1) / 2)
    place = (line[inner] - middle) * (1 + scale[:, None]) + middle + shift[:, None] * np.float32(side)
    out = np.clip(place, 0, side - 1)[:, :, None] - line
    # In place: these are the largest arrays there are.
    np.abs(out, out=out)
    np.subtract(1, out, out=out)
    return np.maximum(out, 0, out=out)


def _slopes(pictures: Floats, inner: slice) -> Floats:
    """Change of the picture with each of the four: (n, 4, k)."""
    side = pictures.shape[1]
    line = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    down, across = (np.asarray(np.gradient(pictures, axis=a))[:, inner, inner] for a in (1, 2))
    line = line[inner]
    every = (down * line[:, None], down * side, across * line, across * side)
    return np.stack([e.reshape(len(pictures), -1) for e in every], axis=1)


def _composed(at: Floats, change: Floats) -> Floats:
    change = np.clip(change, -STEP, STEP)
    out = np.empty_like(at)
    for a in (0, 2):
        out[:, a] = (1 + at[:, a]) / (1 + change[:, a]) - 1
        out[:, a + 1] = at[:, a + 1] - change[:, a + 1] * (1 + at[:, a])
    return np.clip(out, LEAST, MOST)
