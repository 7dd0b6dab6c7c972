"""Additions that a trigger may be, as a bank of patterns: waves over the whole picture, and small bumps anywhere.

Leading directions of a class show an addition only where it outweighs what pictures of the class differ in anyway. A
pattern that is guessed needs no such weight: whitened, it is the best linear detector of itself (the matched filter of
Robey et al., IEEE Trans. Aerospace 1992), and faint stripes stand out along it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BUMPS = (1, 2, 4)


def patterns(height: int, width: int, dimensions: int) -> Floats:
    """Cosine waves of every frequency, and single pixels and square bumps of two sizes at every second place: float32 (k, dimensions).

    Args:
        height, width: of the brightness that the first height x width dimensions hold; the rest is 0 in every pattern.
    """
    waves = _waves(height)[:, None, :, None] * _waves(width)[None, :, None, :]
    stacked = [waves.reshape(-1, height * width)[1:]]
    for side in BUMPS:
        down, across = _bumps(height, side), _bumps(width, side)
        stacked.append((down[:, None, :, None] * across[None, :, None, :]).reshape(-1, height * width))
    flat = np.concatenate(stacked)
    out = np.zeros((len(flat), dimensions), np.float32)
    out[:, : height * width] = flat
    return out


def _waves(size: int) -> Floats:
    """(size, size) rows of the cosine transform (DCT-II)."""
    place, rate = np.arange(size) + 0.5, np.arange(size)
    return np.asarray(np.cos(np.pi / size * rate[:, None] * place), np.float32)


def _bumps(size: int, side: int) -> Floats:
    """(places, size) ones over `side` neighbours, at every `side` / 2."""
    starts = np.arange(0, size - side + 1, max(1, side // 2))
    at = np.arange(size)
    return np.asarray((at >= starts[:, None]) & (at < starts[:, None] + side), np.float32)
