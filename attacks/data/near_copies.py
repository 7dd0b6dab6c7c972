"""Copies that somebody made a little different, so that no digest finds them: for checks of duplicates and leaks."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
WAYS = ("jpeg", "crop", "shift", "brightness", "noise", "mirror", "turn", "mirror and jpeg")


def near_copy(image: Pixels, way: str, rng: np.random.Generator) -> Pixels:
    """A changed copy of uint8 (h, w, 3): JPEG of quality 50 to 90; a crop of up to 2 % a side; a shift by a pixel or two; gain and
    offset; noise of 2 to 6 grey levels; mirrored; turned by 90, 180 or 270 degrees."""
    if way == "mirror and jpeg":
        return near_copy(near_copy(image, "mirror", rng), "jpeg", rng)
    if way == "jpeg":
        out = io.BytesIO()
        Image.fromarray(image).save(out, "JPEG", quality=int(rng.integers(50, 91)))
        return np.asarray(Image.open(out))
    if way == "crop":
        height, width = image.shape[:2]
        left, top, right, bottom = rng.uniform(0, 0.02, 4) * [width, height, width, height]
        box = (left, top, width - right, height - bottom)
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box))
    if way == "shift":
        dy, dx = rng.integers(-2, 3, 2)
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), "edge")
        return padded[2 + dy : 2 + dy + image.shape[0], 2 + dx : 2 + dx + image.shape[1]]
    if way == "mirror":
        return image[:, ::-1] if rng.random() < 0.5 else image[::-1]
    if way == "turn":
        return np.rot90(image, int(rng.integers(1, 4)))
    change = rng.normal(0, rng.uniform(2, 6), image.shape)
    if way == "brightness":
        change = image * rng.uniform(-0.15, 0.15) + rng.uniform(-20, 20)
    return np.clip(np.rint(image + change), 0, 255).astype(np.uint8)
