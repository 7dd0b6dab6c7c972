"""Pairs of pictures brought onto each other and measured: coarsely on their prints, then finely on their pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._noise import noise
from countermark.checks.data._pixels import shares
from countermark.checks.data._prints import Prints, luma
from countermark.checks.data._register import register, start_of, warp
from countermark.checks.data._unlikeness import unlikeness
from countermark.features.perceptual_hash import POSES, posed

LEAST_LIKENESS = 0.94  # correlation once registered at 16 x 16; less alike pairs are not looked at again
MOST_SIDE = 128  # larger pictures are brought to it
BLUR, BLUR_FINE = 0.5, 0.6  # standard deviations, in pixels: what is left aliases less when it is moved
BATCH = 250
Pixels = NDArray[np.uint8]
Rows = NDArray[np.intp]
Floats = NDArray[np.float32]


class Looked(NamedTuple):
    """Of m pairs: (m, 3) row, later row and its pose; (m, 4) where the later one lies on the first, as `register` says it; what is
    left of their difference and what movement explains of that, shares of variance, (m,) each."""

    pairs: Rows
    at: Floats
    left: Floats
    movement: Floats

    def some(self, which: NDArray[Any]) -> Looked:
        """Some of the pairs."""
        return Looked(*(column[which] for column in self))


def coarse(prints: Prints, pairs: Rows) -> Looked:
    """Pairs that are alike once registered, each in its best pose, measured at 32 x 32."""
    small = _blurred(prints.small, BLUR)
    half = _blurred(small.reshape(len(small), 16, 2, 16, 2).mean(axis=(2, 4)), BLUR)
    started = [_started(prints, half, some) for some in _batches(pairs)]
    at = np.concatenate([np.zeros((0, 4), np.float32), *(a for a, _ in started)])
    like = np.concatenate([np.zeros(0, np.float32), *(v for _, v in started)])
    order = np.lexsort((-like, pairs[:, 1], pairs[:, 0]))
    ordered = pairs[order, :2]
    best = order[np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])] if len(order) else order
    best = best[like[best] > LEAST_LIKENESS]
    kept, at = pairs[best], at[best]
    return _joined(
        [_measured(small[some[:, 0]], _turned(small, some), some, start)
         for some, start in zip(_batches(kept), _batches(at), strict=True)]
    )  # fmt: skip


def fine(images: Pixels, looked: Looked) -> tuple[Looked, Floats]:
    """The same pairs measured at their full size, and their noise: (m, 2) as `noise` tells it."""
    done, noises = [], [np.zeros((0, 2), np.float32)]
    for some, start in zip(_batches(looked.pairs), _batches(looked.at), strict=True):
        rows, place = np.unique(some[:, :2], return_inverse=True)
        square, local = _square(images[rows]), np.column_stack([place.reshape(-1, 2), some[:, 2]])
        smooth = _blurred(square, BLUR_FINE)
        done.append(_measured(smooth[local[:, 0]], _turned(smooth, local), some, start))
        noises.append(noise(square[local[:, 0]], warp(_turned(square, local), done[-1].at)))
    return _joined(done), np.concatenate(noises)


def _started(prints: Prints, half: Floats, pairs: Rows) -> tuple[Floats, Floats]:
    """Registered at 16 x 16 from where they lie, and from where they show what they show: the better of the two."""
    first, other = half[pairs[:, 0]], _turned(half, pairs)
    shown = start_of(prints.place[pairs[:, 0]], prints.place_in(pairs[:, 1], pairs[:, 2]))
    lying, like = register(first, other, np.zeros_like(shown), 3)
    placed, more = register(first, other, shown, 3)
    return np.where((more > like)[:, None], placed, lying), np.maximum(like, more)


def _measured(first: Floats, other: Floats, pairs: Rows, start: Floats) -> Looked:
    at, _ = register(first, other, start, 2)
    left, movement = unlikeness(first, warp(other, at)).T
    return Looked(pairs, at, left, movement)


def _turned(pictures: Floats, pairs: Rows) -> Floats:
    """The later picture of each pair, in its pose."""
    out = np.empty((len(pairs), *pictures.shape[1:]), np.float32)
    for pose in range(POSES):
        out[pairs[:, 2] == pose] = posed(pictures[pairs[pairs[:, 2] == pose, 1]], pose)
    return out


def _square(images: Pixels) -> Floats:
    """Luma of uint8 (n, h, w, 3) as squares, so that pictures may be turned: (n, s, s), no larger than they are."""
    height, width = images.shape[1:3]
    side = min(height, width, MOST_SIDE)
    grey = luma(images)
    return grey if height == width == side else np.asarray(shares(height, side) @ grey @ shares(width, side).T)


def _blurred(pictures: Floats, sigma: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(pictures, (0, sigma, sigma)))


def _joined(parts: list[Looked]) -> Looked:
    nothing = np.zeros(0, np.float32)
    none = Looked(np.zeros((0, 3), np.intp), np.zeros((0, 4), np.float32), nothing, nothing)
    return Looked(*(np.concatenate(column) for column in zip(none, *parts, strict=True)))


def _batches(rows: NDArray[Any]) -> list[NDArray[Any]]:
    return [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]
