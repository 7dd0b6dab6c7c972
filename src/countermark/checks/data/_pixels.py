"""Pictures as short vectors that keep what a trigger adds: brightness at 32 x 32, colour at 16 x 16, never enlarged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.features.patches import SIDE

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
BRIGHTNESS, COLOUR = 32, 16
BATCH = 250


def vectors(images: Pixels) -> Floats:
    """Brightness, then two colour differences, in grey levels: float32 (n, at most 1,536).

    Args:
        images: uint8 (n, h, w, 3). Grey pictures have no colour differences, and none are returned for them.
    """
    grey = bool((images[..., 0] == images[..., 1]).all() and (images[..., 1] == images[..., 2]).all())
    return np.concatenate([_batch(images[at : at + BATCH], grey) for at in range(0, len(images), BATCH)])


def _batch(images: Pixels, grey: bool) -> Floats:
    if grey:
        return _shrunk(images[..., :1].astype(np.float32), BRIGHTNESS).reshape(len(images), -1)
    small = _shrunk(images.astype(np.float32), BRIGHTNESS)
    light = small.mean(axis=3)
    tint = _shrunk(np.stack([small[..., 0] - light, small[..., 2] - light], axis=3), COLOUR)
    return np.concatenate([light.reshape(len(images), -1), tint.reshape(len(images), -1)], axis=1)


def _shrunk(pictures: Floats, side: int) -> Floats:
    """Area averages on a grid of at most `side` x `side`."""
    height, width = pictures.shape[1:3]
    down, across = shares(height, min(side, height)), shares(width, min(side, width))
    return np.asarray(np.einsum("ih,nhwc,jw->nijc", down, pictures, across, optimize=True), np.float32)


def shares(size: int, side: int) -> Floats:
    """(side, size) shares of each source line in each target line; rows sum to 1."""
    edge, line = np.linspace(0, size, side + 1), np.arange(size)
    overlap = np.maximum(np.minimum(edge[1:, None], line + 1) - np.maximum(edge[:-1, None], line), 0)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True), np.float32)


def at_side(pixels: Pixels) -> Pixels:
    """Pictures at the features' size (64 x 64): area averages going down, repeats going up, which nothing hides from."""
    height, width = pixels.shape[1:3]
    if (height, width) == (SIDE, SIDE):
        return pixels
    down, across = shares(height, SIDE), shares(width, SIDE)
    out = np.empty((len(pixels), SIDE, SIDE, 3), np.uint8)
    for at in range(0, len(pixels), BATCH):
        part = np.einsum("ih,nhwc,jw->nijc", down, pixels[at : at + BATCH].astype(np.float32), across, optimize=True)
        out[at : at + BATCH] = np.clip(np.rint(part), 0, 255).astype(np.uint8)
    return out
