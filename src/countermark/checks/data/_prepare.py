"""From the caller's arrays to a `View`: checked input, pictures at one size, features, heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _ridge
from countermark.checks.data._content import Content, Pictures
from countermark.checks.data._heads import Heads
from countermark.checks.data._levelled import levelled
from countermark.checks.data._pixels import shares
from countermark.checks.data._view import View
from countermark.engines.engine import Engine
from countermark.errors import Unusable
from countermark.features.patches import SIDE, PatchFeatures, encode_batch

BATCH = 250
LEAST_SIDE = 8
Pixels = NDArray[np.uint8]
Progress = Callable[[str, float], None]
Spread = Callable[[Pixels], NDArray[np.float32]]


def prepare(
    images: Pixels, labels: Sequence[str], suppliers: Sequence[str], ids: Sequence[str],
    contract: Mapping[str, Mapping[str, int]] | None, seed: int, spread: Spread,
) -> tuple[View, int]:  # fmt: skip
    """A view of pictures, and the number of features before they were reduced.

    Raises:
        Unusable: as `battery.screen`.
    """
    pixels = as_pixels(images)
    return view_of(Pictures(pixels), (labels, suppliers, ids), contract, seed, lambda: spread(pixels))


def view_of(
    content: Content, names: tuple[Sequence[str], Sequence[str], Sequence[str]],
    contract: Mapping[str, Mapping[str, int]] | None, seed: int, features: Callable[[], NDArray[np.float32]],
) -> tuple[View, int]:  # fmt: skip
    """A view of rows of any kind, and the number of features before they were reduced.

    Args:
        names: labels, suppliers and ids, one a row each. features: called once all that is in order: float32 (n, d).

    Raises:
        Unusable: they are not one a row, ids repeat, or there are fewer than two suppliers or classes.
    """
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
    raw = features()
    if content.kind != "pictures":
        raw = levelled(raw, label, supplier)
    heads = Heads(_ridge.reduced(raw, seed), label, supplier, len(classes), seed)
    view = View(
        content, label, supplier, tuple(map(str, classes)), tuple(map(str, makers)), tuple(ids), heads, contract, seed
    )
    return view, raw.shape[1]


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


def patch_features(sized: Pixels, seed: int, engine: Engine, progress: Progress | None = None) -> NDArray[np.float32]:
    """k-means patch features of every picture, float32 (n, d), batches spread over `engine`."""
    learnt = PatchFeatures.fit(sized, seed)
    batches = [(learnt.words, sized[at : at + BATCH]) for at in range(0, len(sized), BATCH)]
    parts = []
    for done, part in enumerate(engine.map(encode_batch, batches), 1):
        parts.append(part)
        if progress:
            progress("features", done / len(batches))
    return np.concatenate(parts)


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
