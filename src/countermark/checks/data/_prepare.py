"""From the caller's arrays to a `View`: checked input, pictures at one size, features, heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import Content, Pictures
from countermark.checks.data._heads import Heads
from countermark.checks.data._levelled import levelled
from countermark.checks.data._view import View
from countermark.checks.data._work import Encoded, on_own_directions
from countermark.errors import Unusable

LEAST_SIDE = 8
Pixels = NDArray[np.uint8]
Progress = Callable[[str, float], None]
Spread = Callable[[Pixels], Encoded]
Codes = NDArray[np.intp]
Names = tuple[Sequence[str], Sequence[str], Sequence[str]]
Contract = Mapping[str, Mapping[str, int]] | None


def prepare(
    images: Pixels, labels: Sequence[str], suppliers: Sequence[str], ids: Sequence[str], contract: Contract, seed: int, spread: Spread,
) -> tuple[View, Encoded]:  # fmt: skip
    """A view of pictures, and what their features are.

    Raises:
        Unusable: as `battery.screen`.
    """
    pixels = as_pixels(images)
    return _view(Pictures(pixels), (labels, suppliers, ids), contract, seed, lambda _, __: spread(pixels))


def view_of(
    content: Content, names: Names, contract: Contract, seed: int, features: Callable[[], NDArray[np.float32]]
) -> tuple[View, Encoded]:
    """A view of rows that are no pictures, and what their features are: without suppliers' offsets, on their own directions.

    Args:
        names: labels, suppliers and ids, one a row each. features: called once all that is in order: float32 (n, d).

    Raises:
        Unusable: they are not one a row, ids repeat, or there are fewer than two suppliers or classes.
    """

    def encode(label: Codes, supplier: Codes) -> Encoded:
        return on_own_directions(levelled(features(), label, supplier), seed)

    return _view(content, names, contract, seed, encode)


def _view(
    content: Content, names: Names, contract: Contract, seed: int, encode: Callable[[Codes, Codes], Encoded]
) -> tuple[View, Encoded]:
    labels, suppliers, ids = names
    many = content.words.many if content.kind != "pictures" else "images"
    if not len(content) == len(labels) == len(suppliers) == len(ids):
        raise Unusable(
            f"{len(content)} {many}, {len(labels)} labels, {len(suppliers)} suppliers and {len(ids)} ids",
            mend="one of each per row",
        )
    if len(set(ids)) != len(ids):
        raise Unusable("row ids repeat", why="findings name rows by id", mend="give every row an id of its own")
    classes, label = np.unique(np.asarray(labels, str), return_inverse=True)
    makers, supplier = np.unique(np.asarray(suppliers, str), return_inverse=True)
    if len(classes) < 2 or len(makers) < 2:
        raise Unusable(
            "two classes and two suppliers are needed to compare anything", mend="screen all deliveries together"
        )
    features = encode(label, supplier)
    heads = Heads(features.rows, label, supplier, len(classes), seed)
    view = View(
        content, label, supplier, tuple(map(str, classes)), tuple(map(str, makers)), tuple(ids), heads, contract, seed
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
