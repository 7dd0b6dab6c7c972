"""How two registered pictures differ: in what a copyist changes, which is allowed, and in what two photographs of one thing differ.

Light (a curve of grey levels), blur or sharpening, and what is left of scale and place are fitted and taken away first. Of the rest, what
small local movements explain is what tells: parts turn, strokes bend, cloth falls otherwise; compression, noise and resampling spread
over all the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._register import unit, within

GRID = 4  # movements are tents on a grid of 4 x 4 points
RIDGE = 2e-2
WORTH_TURNING = 0.02  # more movement than any copy has either way round
Floats = NDArray[np.float32]


def unlikeness(first: Floats, moved: Floats) -> Floats:
    """What is left of the first picture, and what local movement explains of that, as shares of its variance: (n, 2).

    Args:
        first, moved: float32 (n, s, s), registered. The better of the two ways round is told.
    """
    one, other = (_scaled(p) for p in (first, moved))
    out = _left(one, other)
    near = np.flatnonzero(out[:, 1] < WORTH_TURNING)
    if len(near):
        back = _left(other[near], one[near])
        out[near] = np.where((out[near, 1] < back[:, 1])[:, None], out[near], back)
    return out


def _scaled(pictures: Floats) -> Floats:
    return np.asarray((pictures - pictures.mean(axis=(1, 2), keepdims=True)) / 64, np.float32)


def _left(target: Floats, source: Floats) -> Floats:
    inner = within(target.shape[1])
    down, across = (np.asarray(np.gradient(source, axis=a))[:, inner, inner] for a in (1, 2))
    basis = _allowed(source, down, across, inner)
    basis -= basis.mean(axis=2, keepdims=True)
    basis /= np.maximum(np.sqrt(np.einsum("npk,npk->np", basis, basis))[..., None], 1e-9)
    values, _ = unit(target[:, inner, inner])
    left = values - _fitted(basis, values, 1e-4)
    movement = _explained(left, down, across)
    return np.stack([np.einsum("nk,nk->n", left, left), movement], axis=1)


def _allowed(source: Floats, down: Floats, across: Floats, inner: slice) -> Floats:
    """Changes of a copy, (n, 8, k): curve of grey levels, blur (to second order), scale and place."""
    side = source.shape[1]
    line = ((np.arange(side, dtype=np.float32) - (side - 1) / 2) / (side / 2)).astype(np.float32)[inner]
    blur = _laplace(source)
    light, once, twice = (p[:, inner, inner] for p in (source, blur, _laplace(blur)))
    every = (light, light**2, once, twice, down, down * line[:, None], across, across * line)
    return np.stack([e.reshape(len(e), -1) for e in every], axis=1)


def _laplace(pictures: Floats) -> Floats:
    wide = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), "edge")
    around = wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1] + wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:]
    return np.asarray(around - 4 * pictures)


def _fitted(basis: Floats, values: Floats, ridge: float) -> Floats:
    normal = np.matmul(basis, basis.swapaxes(1, 2)) + np.float32(ridge) * np.eye(basis.shape[1], dtype=np.float32)
    weights = np.linalg.solve(normal, np.matmul(basis, values[..., None]))
    return np.asarray(np.matmul(basis.swapaxes(1, 2), weights)[..., 0])


def _explained(left: Floats, down: Floats, across: Floats) -> Floats:
    """Variance of what is left that 32 local movements explain; the tents factor, so that no picture of a movement is made."""
    n, side = len(left), down.shape[1]
    tent, pair = _tents(side)
    rest = left.reshape(n, side, side)
    sums = np.concatenate([(tent @ (slope * rest) @ tent.T).reshape(n, -1) for slope in (down, across)], axis=1)

    def products(a: Floats, b: Floats) -> Floats:
        crossed = (pair @ (a * b) @ pair.T).reshape(n, GRID, GRID, GRID, GRID)
        return crossed.transpose(0, 1, 3, 2, 4).reshape(n, GRID**2, GRID**2)

    mixed = products(down, across)
    normal = np.block([[products(down, down), mixed], [mixed.swapaxes(1, 2), products(across, across)]])
    scale = np.trace(normal, axis1=1, axis2=2) / normal.shape[1]
    normal = normal + (np.float32(RIDGE) * scale + np.float32(1e-12))[:, None, None] * np.eye(
        len(normal[0]), dtype=np.float32
    )
    return np.asarray(np.einsum("np,np->n", sums, np.linalg.solve(normal, sums[..., None])[..., 0]))


def _tents(side: int) -> tuple[Floats, Floats]:
    """(4, side) tents, and their (16, side) products."""
    middle = np.linspace(0, side - 1, GRID)
    tent = np.maximum(0, 1 - np.abs(np.arange(side) - middle[:, None]) / middle[1]).astype(np.float32)
    return tent, (tent[:, None] * tent).reshape(GRID**2, side)
