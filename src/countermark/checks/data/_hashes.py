"""What pictures are compared by: 64-bit perceptual hashes that know mirrored and turned copies, and small prints that confirm.

The hash is the signs of the 64 lowest frequencies but the constant (a DCT over 32 x 32 grey pixels). Mirroring flips the signs of odd
frequencies and turning swaps axes, so the hashes of all eight poses come from one transform.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 32
POSES = 8  # bits of a pose: 1 mirrored left to right, 2 upside down, 4 axes swapped first
LEAST_CONTRAST = 1.0  # grey levels of standard deviation; flatter pictures have nothing to compare
BATCH = 2000
Pixels = NDArray[np.uint8]
Codes = NDArray[np.uint64]
Prints = NDArray[np.float32]


def fingerprints(images: Pixels) -> tuple[Codes, Prints]:
    """Hashes and prints of uint8 (n, h, w, 3).

    Returns:
        uint64 (2, n, 8): of the picture and of the picture moved to its centre of contrast (shifts and crops), one per pose;
        float32 (2, n, 32, 32) of mean 0 and length 1. Prints of flat pictures are 0 and are near to nothing.
    """
    if not len(images):
        return np.zeros((2, 0, POSES), np.uint64), np.zeros((2, 0, SIDE, SIDE), np.float32)
    prints = np.concatenate([_prints(images[at : at + BATCH]) for at in range(0, len(images), BATCH)])
    both = np.stack([prints, _centred(prints)])
    codes = np.empty((2, len(images), POSES), np.uint64)
    for out, small in zip(codes, both, strict=True):
        low = np.einsum("ui,nij,vj->nuv", _cosines(), small, _cosines(), optimize=True)
        for pose in range(POSES):
            out[:, pose] = _signs(low, pose)
    return codes, both


def posed(prints: Prints, pose: int) -> Prints:
    """Prints as if the pictures had been delivered in another pose; `codes[:, pose]` are their hashes."""
    out = prints.swapaxes(1, 2) if pose & 4 else prints
    out = out[:, :, ::-1] if pose & 1 else out
    return out[:, ::-1] if pose & 2 else out


def _prints(images: Pixels) -> Prints:
    grey = images[..., 0].astype(np.float32) + images[..., 1] + images[..., 2]
    small = _area(_area(np.asarray(grey / 3, np.float32), 1), 2)
    small -= small.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((small**2).sum(axis=(1, 2), keepdims=True))
    flat = length < LEAST_CONTRAST * SIDE
    return np.asarray(np.where(flat, 0, small / np.maximum(length, 1e-9)), np.float32)


def _centred(prints: Prints) -> Prints:
    """Prints moved, all round, by fractions of a pixel: the centre of their squared distance from the median to the middle."""
    weight = (prints - np.median(prints, axis=(1, 2), keepdims=True)) ** 2
    total, line = np.maximum(weight.sum(axis=(1, 2)), 1e-9), np.arange(SIDE)
    y, x = ((weight.sum(axis=a) * line).sum(axis=1) / total - (SIDE - 1) / 2 for a in (2, 1))
    waves = np.fft.fftfreq(SIDE)[:, None] * y[:, None, None] + np.fft.rfftfreq(SIDE) * x[:, None, None]
    moved = np.fft.irfft2(np.fft.rfft2(prints) * np.exp(2j * np.pi * waves), s=(SIDE, SIDE))
    return np.asarray(moved, np.float32)


def _signs(low: NDArray[Any], pose: int) -> Codes:
    out = low.swapaxes(1, 2) if pose & 4 else low
    odd = np.where(np.arange(9) % 2, -1, 1)
    out = out * np.outer(odd if pose & 2 else 1 + 0 * odd, odd if pose & 1 else 1 + 0 * odd)
    # 8 x 8 frequencies; the ninth of the first row takes the place of the constant, and its twin keeps swapped axes alike.
    bits = out[:, :8, :8] > 0
    bits[:, 0, 0] = (out[:, 0, 8] + out[:, 8, 0]) > 0
    return np.packbits(bits.reshape(len(bits), 64), axis=1).view(">u8")[:, 0].astype(np.uint64)


@cache
def _cosines() -> NDArray[np.float32]:
    """(9, 32) lowest rows of the cosine transform, of length 1."""
    line = np.arange(SIDE) + 0.5
    waves = np.cos(np.pi * np.arange(9)[:, None] * line / SIDE)
    return np.asarray(waves / np.linalg.norm(waves, axis=1, keepdims=True), np.float32)


def _area(pictures: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Area averages of 32 equal runs of lines along an axis, fractions of lines counted."""
    length = pictures.shape[axis]
    edge, line = np.linspace(0, length, SIDE + 1), np.arange(length)
    shared = np.maximum(np.minimum(edge[1:, None], line + 1) - np.maximum(edge[:-1, None], line), 0)
    weights = (shared / shared.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.moveaxis(np.tensordot(weights, pictures, axes=(1, axis)), 0, axis)
