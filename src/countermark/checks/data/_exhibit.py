"""Small pictures kept for people: re-encoded, at most 16 kB, known by their SHA-256."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 16 << 10
MOST = 8
GAP = 2


def strip(images: NDArray[np.uint8], most: int = MOST) -> tuple[str, bytes]:
    """A row of thumbnails: uint8 (n, h, w, 3) -> (SHA-256 hex, PNG bytes).

    Fewer pictures are shown where the strip would be larger than 16 kB.
    """
    from PIL import Image

    for count in range(min(most, len(images)), 0, -1):
        height, width = images.shape[1:3]
        canvas = np.full((height, count * (width + GAP) - GAP, 3), 255, np.uint8)
        for i, image in enumerate(images[:count]):
            canvas[:, i * (width + GAP) : i * (width + GAP) + width] = image
        out = io.BytesIO()
        Image.fromarray(canvas).quantize(64).save(out, "PNG", optimize=True)
        if out.tell() <= MAX_BYTES:
            break
    return hashlib.sha256(out.getvalue()).hexdigest(), out.getvalue()
