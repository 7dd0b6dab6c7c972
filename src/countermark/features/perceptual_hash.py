"""The one perceptual hash: 64 bits that near copies share, and that are known for all eight poses from one transform.

The bits are the signs of the 64 lowest frequencies but the constant (a DCT over 32 x 32 grey pixels). Mirroring flips the signs of odd
frequencies and turning swaps axes. Everything is whole numbers held exactly in float64, so that every machine, every engine and every
pose gives the same bits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 32
POSES = 8  # bits of a pose: 1 mirrored left to right, 2 upside down, 4 axes swapped first
FINENESS = 64  # of the cosines: 2^53 holds all sums up to pictures of 1,600 x 1,600
BATCH = 1000
Pixels = NDArray[np.uint8]
Codes = NDArray[np.uint64]
Whole = NDArray[np.float64]


def perceptual_hash(images: Pixels) -> Codes:
    """(n,) hashes of uint8 (n, h, w, 3), as the pictures lie: pose 0 of `posed_hashes`."""
    return posed_hashes(images, (0,))[:, 0]


def posed_hashes(images: Pixels, poses: tuple[int, ...] = tuple(range(POSES))) -> Codes:
    """(n, poses) hashes of uint8 (n, h, w, 3) as if they had been delivered in each pose. Flat pictures have 0."""
    parts = [signs(_low(images[at : at + BATCH]), poses) for at in range(0, len(images), BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, len(poses)), np.uint64)


def posed(pictures: NDArray[Any], pose: int) -> NDArray[Any]:
    """Pictures (n, s, s) as if they had been delivered in another pose."""
    out = pictures.swapaxes(1, 2) if pose & 4 else pictures
    out = out[:, :, ::-1] if pose & 1 else out
    return out[:, ::-1] if pose & 2 else out


def signs(low: NDArray[Any], poses: tuple[int, ...] = tuple(range(POSES))) -> Codes:
    """(n, poses) hashes of the lowest frequencies (n, 9, 9) of pictures."""
    out = np.empty((len(low), len(poses)), np.uint64)
    odd, none = np.where(np.arange(9) % 2, -1, 1), np.ones(9, int)
    for at, pose in enumerate(poses):
        swapped = low.swapaxes(1, 2) if pose & 4 else low
        turned = swapped * np.outer(odd if pose & 2 else none, odd if pose & 1 else none)
        # 8 x 8 frequencies; the ninth of the first row takes the place of the constant, and its twin keeps swapped axes alike.
        bits = turned[:, :8, :8] > 0
        bits[:, 0, 0] = (turned[:, 0, 8] + turned[:, 8, 0]) > 0
        out[:, at] = np.packbits(bits.reshape(len(bits), 64), axis=1).view(">u8")[:, 0]
    return out


def _low(images: Pixels) -> Whole:
    """Frequencies (n, 9, 9) of three times the grey, in whole numbers."""
    grey = images.sum(axis=3, dtype=np.float64)
    down, across = (cosines() @ _shares(side) for side in images.shape[1:3])
    return np.asarray(np.matmul(np.matmul(down, grey), across.T))


@cache
def cosines() -> Whole:
    """(9, 32) lowest rows of the cosine transform, in whole steps of 1/64."""
    waves = np.rint(FINENESS * np.cos(np.pi * np.arange(9)[:, None] * (np.arange(SIDE) + 0.5) / SIDE))
    return np.asarray(waves, np.float64)


def _shares(length: int) -> Whole:
    """(32, length) how much of each line lies in each of 32 equal runs of lines, in 1/32 of a line."""
    edge, line = np.arange(SIDE + 1) * length, np.arange(length) * SIDE
    shared = np.minimum(edge[1:, None], line + SIDE) - np.maximum(edge[:-1, None], line)
    return np.asarray(np.maximum(shared, 0), np.float64)
