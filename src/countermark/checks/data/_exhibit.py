"""Small pictures kept for people: re-encoded, at most 16 kB, known by their SHA-256."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 16 << 10
MOST = 8
GAP = 2
SIDE = 128
COLOURS = 64


def strip(images: NDArray[np.uint8], most: int = MOST) -> tuple[str, bytes]:
    """A row of thumbnails: uint8 (n, h, w, 3), n at least 1 -> (SHA-256 hex, PNG bytes of at most 16 kB).

    Pictures are shrunk to 128 pixels; fewer, then smaller ones are shown until they fit.
    """
    side, thumbnails = SIDE, _thumbnails(images[:most], SIDE)
    while True:
        data = _encoded(thumbnails)
        if len(data) <= MAX_BYTES:
            return hashlib.sha256(data).hexdigest(), data
        if len(thumbnails) > 1:
            # At least one goes; about as many stay as fit.
            thumbnails = thumbnails[: min(len(thumbnails) - 1, 1 + len(thumbnails) * MAX_BYTES // len(data))]
        else:
            side //= 2  # ends: 64 x 64 at one byte a pixel is below the limit
            thumbnails = _thumbnails(images[:1], side)


def side_by_side(rows: Sequence[NDArray[np.uint8]], times: int = 3) -> bytes:
    """PNG of pictures for people who look closely: one line of pictures for each uint8 (n, h, w, 3), enlarged, nothing lost."""
    from PIL import Image

    tall, wide = (times * side for side in rows[0].shape[1:3])
    most = max(map(len, rows))
    canvas = Image.new("RGB", (most * (wide + GAP) - GAP, len(rows) * (tall + GAP) - GAP), "white")
    for y, line in enumerate(rows):
        for x, image in enumerate(line.repeat(times, axis=1).repeat(times, axis=2)):
            canvas.paste(Image.fromarray(image), (x * (wide + GAP), y * (tall + GAP)))
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def _thumbnails(images: NDArray[np.uint8], side: int) -> list[Image.Image]:
    from PIL import Image

    out = [Image.fromarray(image) for image in images]
    for thumbnail in out:
        thumbnail.thumbnail((side, side))
    return out


def _encoded(thumbnails: list[Image.Image]) -> bytes:
    from PIL import Image

    width, height = thumbnails[0].size
    canvas = Image.new("RGB", (len(thumbnails) * (width + GAP) - GAP, height), "white")
    for i, thumbnail in enumerate(thumbnails):
        canvas.paste(thumbnail, (i * (width + GAP), 0))
    out = io.BytesIO()
    canvas.quantize(COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()
