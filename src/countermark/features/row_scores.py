"""What is measured of each picture by itself: what drifts when a camera does.

All of it is whole-number arithmetic until the last division, so that every machine gives the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Whole = NDArray[np.int64]
Scores = NDArray[np.float64]


def brightness(images: Pixels) -> Scores:
    """(n,) mean of all channels, 0 to 255."""
    return np.asarray(_flat(images).sum(axis=1) / _flat(images).shape[1], np.float64)


def contrast(images: Pixels) -> Scores:
    """(n,) variance of the grey, in squared levels."""
    grey = _grey(images).reshape(len(images), -1)
    count = grey.shape[1]
    return np.asarray((count * (grey**2).sum(axis=1) - grey.sum(axis=1) ** 2) / (3 * count) ** 2, np.float64)


def sharpness(images: Pixels) -> Scores:
    """(n,) mean absolute second difference of the grey along both axes, in levels: blur and coding lower it."""
    grey = _grey(images)
    down, across = (np.abs(np.diff(grey, 2, axis)).reshape(len(images), -1) for axis in (1, 2))
    return np.asarray((down.sum(axis=1) + across.sum(axis=1)) / (3 * (down.shape[1] + across.shape[1])), np.float64)


def _flat(images: Pixels) -> Whole:
    return images.reshape(len(images), -1).astype(np.int64)


def _grey(images: Pixels) -> Whole:
    """Three times the grey."""
    return np.asarray(images.sum(axis=3, dtype=np.int64))
