"""How a picture was taken, as drift sees it: six properties of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BATCH = 500
NAMES = ("brightness", "contrast", "colour cast", "saturation", "blur", "noise")
Floats = NDArray[np.float64]


def properties(images: NDArray[np.uint8]) -> Floats:
    """(n, 6) in the order of `NAMES`, of uint8 (n, h, w, 3).

    Brightness, contrast, cast (red less blue) and saturation in grey levels; blur and noise as natural logarithms of grey levels: of
    the spread of the Laplacian, its sign turned, and of the median size of the Laplacian, plus one each.
    """
    return np.concatenate([_measured(images[at : at + BATCH]) for at in range(0, len(images), BATCH)])


def _measured(images: NDArray[np.uint8]) -> Floats:
    x = images.astype(np.float32)
    light = x.mean(axis=3)
    edge = (
        4 * light[:, 1:-1, 1:-1] - light[:, :-2, 1:-1] - light[:, 2:, 1:-1] - light[:, 1:-1, :-2] - light[:, 1:-1, 2:]
    )
    middle = np.median(np.abs(edge), axis=(1, 2))
    return np.column_stack([
        light.mean(axis=(1, 2)), light.std(axis=(1, 2)), (x[..., 0] - x[..., 2]).mean(axis=(1, 2)),
        (x.max(axis=3) - x.min(axis=3)).mean(axis=(1, 2)), -np.log1p(edge.std(axis=(1, 2))), np.log1p(middle),
    ])  # fmt: skip
