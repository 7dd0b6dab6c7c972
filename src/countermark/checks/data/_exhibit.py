"""Small pictures kept for people: re-encoded, at most 16 kB, known by their SHA-256."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 16 << 10
MOST = 8
GAP = 2
SIDE = 128
COLOURS = 64


def strip(images: NDArray[np.uint8], most: int = MOST) -> tuple[str, bytes]:
    """A row of thumbnails: uint8 (n, h, w, 3), n at least 1 -> (SHA-256 hex, PNG bytes of at most 16 kB).

    Pictures are shrunk to 128 pixels; fewer, then smaller ones are shown until they fit.
    """
    side = SIDE
    count = min(most, len(images))
    while True:
        data = _encoded(images[:count], side)
        if len(data) <= MAX_BYTES:
            return hashlib.sha256(data).hexdigest(), data
        if count > 1:
            count -= 1
        else:
            side //= 2  # ends: 64 x 64 at one byte a pixel is below the limit


def _encoded(images: NDArray[np.uint8], side: int) -> bytes:
    from PIL import Image

    thumbnails = [Image.fromarray(image) for image in images]
    for thumbnail in thumbnails:
        thumbnail.thumbnail((side, side))
    width, height = thumbnails[0].size
    canvas = Image.new("RGB", (len(thumbnails) * (width + GAP) - GAP, height), "white")
    for i, thumbnail in enumerate(thumbnails):
        canvas.paste(thumbnail, (i * (width + GAP), 0))
    out = io.BytesIO()
    canvas.quantize(COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()
