"""Copies that somebody made a little different, so that no digest finds them: for checks of duplicates and leaks."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import map_coordinates, median_filter, zoom

Pixels = NDArray[np.uint8]
Rng = np.random.Generator
MOST_CROP = MOST_BORDER = MOST_SHIFT = 0.05  # of a side; at each edge


def near_copy(image: Pixels, way: str, rng: Rng) -> Pixels:
    """A copy of uint8 (h, w, 3), changed in one of `WAYS` (or several, joined by " and "), at the size it had.

    JPEG of quality 30 to 95; stored at 0.5 to 2 times its size; mirrored; turned by 90, 180 or 270 degrees; up to 5 % cut off at each
    edge; moved by up to 5 %; gain 0.75 to 1.25, offset up to 25 and gamma 0.7 to 1.4; noise of 2 to 8 grey levels; blurred by 0.4
    to 1 pixels; a border of 2 to 5 % at each edge in one grey; no colours.
    """
    for one in way.split(" and "):
        image = _WAYS[one](image, rng)
    return image


def disguised(image: Pixels, bend: float, rng: Rng) -> Pixels:
    """A copy that knows the check: its noise smoothed away, bent by smooth movements of `bend` pixels (standard deviation), and given noise
    of its own as strong as the one that it had. uint8 (h, w, 3)."""
    height, width = image.shape[:2]
    smooth = np.stack([median_filter(image[..., c], 3) for c in range(3)], axis=2).astype(np.float64)
    strength = (image - smooth)[: height // 8].std()
    moves = [
        zoom(rng.normal(0, 1, (5, 5)), (height / 5, width / 5), order=3, grid_mode=True, mode="nearest")
        for _ in range(2)
    ]
    places = [at + bend * move / move.std() for at, move in zip(np.mgrid[:height, :width], moves, strict=True)]
    bent = np.stack([map_coordinates(smooth[..., c], places, order=1, mode="nearest") for c in range(3)], axis=2)
    return _levels(bent + rng.normal(0, strength, image.shape))


def _jpeg(image: Pixels, rng: Rng) -> Pixels:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=int(rng.integers(30, 96)))
    return np.asarray(Image.open(out))


def _resize(image: Pixels, rng: Rng) -> Pixels:
    size, scale = (image.shape[1], image.shape[0]), rng.uniform(0.5, 2)
    how = Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.BILINEAR
    stored = Image.fromarray(image).resize((round(size[0] * scale), round(size[1] * scale)), how)
    return np.asarray(stored.resize(size, how))


def _mirror(image: Pixels, rng: Rng) -> Pixels:
    return image[:, ::-1] if rng.random() < 0.5 else image[::-1]


def _turn(image: Pixels, rng: Rng) -> Pixels:
    return np.rot90(image, int(rng.integers(1, 4)))


def _crop(image: Pixels, rng: Rng) -> Pixels:
    height, width = image.shape[:2]
    left, top, right, bottom = rng.uniform(0, MOST_CROP, 4) * [width, height, width, height]
    box = (left, top, width - right, height - bottom)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box))


def _shift(image: Pixels, rng: Rng) -> Pixels:
    most = max(1, int(MOST_SHIFT * min(image.shape[:2])))
    dy, dx = rng.integers(0, 2 * most + 1, 2)
    padded = np.pad(image, ((most, most), (most, most), (0, 0)), "edge")
    return padded[dy : dy + image.shape[0], dx : dx + image.shape[1]]


def _light(image: Pixels, rng: Rng) -> Pixels:
    curved = 255 * (image / 255) ** rng.uniform(0.7, 1.4)
    return _levels(curved * rng.uniform(0.75, 1.25) + rng.uniform(-25, 25))


def _noise(image: Pixels, rng: Rng) -> Pixels:
    return _levels(image + rng.normal(0, rng.uniform(2, 8), image.shape))


def _blur(image: Pixels, rng: Rng) -> Pixels:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1))))


def _border(image: Pixels, rng: Rng) -> Pixels:
    height, width = image.shape[:2]
    left, top, right, bottom = (max(1, round(s * n)) for s, n in zip(rng.uniform(0.02, MOST_BORDER, 4), (width, height) * 2, strict=True))  # fmt: skip
    out = np.full_like(image, rng.choice([0, 128, 255]))
    size = (width - left - right, height - top - bottom)
    out[top : height - bottom, left : width - right] = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    return out


def _grey(image: Pixels, rng: Rng) -> Pixels:
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def _levels(values: NDArray[np.float64]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


_WAYS: dict[str, Callable[[Pixels, Rng], Pixels]] = {
    "jpeg": _jpeg, "resize": _resize, "mirror": _mirror, "turn": _turn, "crop": _crop, "shift": _shift, "light": _light,
    "noise": _noise, "blur": _blur, "border": _border, "grey": _grey,
}  # fmt: skip
WAYS = (*_WAYS, "mirror and jpeg", "crop and jpeg")
