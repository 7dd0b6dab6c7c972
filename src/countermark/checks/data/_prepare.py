"""From the caller's arrays to a `View`: checked input, pictures at one size, features, heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._heads import Heads
from countermark.checks.data._view import View
from countermark.checks.data._work import Encoded
from countermark.errors import Unusable

LEAST_SIDE = 8
Pixels = NDArray[np.uint8]
Progress = Callable[[str, float], None]
Spread = Callable[[Pixels], Encoded]


def prepare(
    images: Pixels, labels: Sequence[str], suppliers: Sequence[str], ids: Sequence[str],
    contract: Mapping[str, Mapping[str, int]] | None, seed: int, spread: Spread,
) -> tuple[View, Encoded]:  # fmt: skip
    """A view of the rows, and what their features are.

    Raises:
        Unusable: as `battery.screen`.
    """
    pixels = as_pixels(images)
    if not len(pixels) == len(labels) == len(suppliers) == len(ids):
        raise Unusable(
            f"{len(pixels)} images, {len(labels)} labels, {len(suppliers)} suppliers and {len(ids)} ids",
            mend="one of each per row",
        )
    if len(set(ids)) != len(ids):
        raise Unusable("row ids repeat", why="findings name rows by id", mend="give every row an id of its own")
    classes, label = np.unique(np.asarray(labels, str), return_inverse=True)
    names, supplier = np.unique(np.asarray(suppliers, str), return_inverse=True)
    if len(classes) < 2 or len(names) < 2:
        raise Unusable(
            "two classes and two suppliers are needed to compare anything", mend="screen all deliveries together"
        )
    features = spread(pixels)
    heads = Heads(features.rows, label, supplier, len(classes), seed)
    view = View(
        pixels, label, supplier, tuple(map(str, classes)), tuple(map(str, names)), tuple(ids), heads, contract, seed
    )
    return view, features


def as_pixels(images: Pixels) -> Pixels:
    """uint8 (n, h, w, 3); grey pictures are repeated.

    Raises:
        Unusable: another dtype or shape, or sides under 8 pixels.
    """
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
        raise Unusable(f"images of {array.dtype} {array.shape}", mend="uint8 (n, h, w) or (n, h, w, 3)")
    if not len(array) or min(array.shape[1:3]) < LEAST_SIDE:
        raise Unusable(f"images of shape {array.shape}", mend=f"at least one row, sides of at least {LEAST_SIDE}")
    return array if array.ndim == 4 else np.repeat(array[..., None], 3, axis=3)
