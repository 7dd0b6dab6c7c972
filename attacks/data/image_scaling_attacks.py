"""Image-scaling attacks in closed form (Xiao et al., USENIX Security 2019), and adaptive ones against our check.

A scaler without area averaging is two matrices: small = rows @ large @ columns.T. The smallest change of a picture that
gives a wanted small one is then a projection, no solver needed; clipping to 0..255 and projecting again a few times keeps it
a picture. Conventions: OpenCV's nearest, bilinear and bicubic (a = -0.75, also PyTorch's without antialias), Pillow's nearest.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Pixels = NDArray[np.uint8]
SAMPLERS = ("opencv-nearest", "pillow-nearest", "opencv-bilinear", "opencv-bicubic")
CUBIC = -0.75
ROUNDS = 8


@cache
def weights(length: int, size: int, sampler: str) -> Doubles:
    """(size, length) weights of a scaler along one axis; "area" is the safe one, which averages every source pixel."""
    out, step = np.zeros((size, length)), length / size
    line = np.arange(size)
    if sampler == "area":
        edge, at = np.linspace(0, length, size + 1), np.arange(length)
        shared = np.minimum(edge[1:, None], at + 1) - np.maximum(edge[:-1, None], at)
        return np.asarray(np.maximum(shared, 0) / step)
    if sampler.endswith("nearest"):
        # Pillow adds steps up, and its rounding decides where a sample falls between two pixels.
        at = np.cumsum(np.r_[step / 2, np.full(size - 1, step)]) if sampler.startswith("pillow") else line * step
        out[line, np.minimum(at.astype(int), length - 1)] = 1
        return out
    centre = (line + 0.5) * step - 0.5
    first = np.floor(centre).astype(int)
    for tap in (0, 1) if sampler == "opencv-bilinear" else (-1, 0, 1, 2):
        distance = np.abs(centre - first - tap)
        share = 1 - distance if sampler == "opencv-bilinear" else _cubic(distance)
        np.add.at(out, (line, np.clip(first + tap, 0, length - 1)), share)
    return out


def _cubic(x: Doubles) -> Doubles:
    near = (CUBIC + 2) * x**3 - (CUBIC + 3) * x**2 + 1
    far = CUBIC * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, far)


def scaled(image: NDArray[np.generic], size: int, sampler: str) -> Doubles:
    """What a scaler makes of (h, w, 3): (size, size, 3), not rounded."""
    down, across = weights(image.shape[0], size, sampler), weights(image.shape[1], size, sampler)
    return np.asarray(np.einsum("ih,hwc,jw->ijc", down, image.astype(float), across, optimize=True))


@cache
def _inverse(length: int, size: int, sampler: str) -> Doubles:
    return np.linalg.pinv(weights(length, size, sampler))


def hidden(image: Pixels, wanted: Doubles, sampler: str, where: NDArray[np.bool_] | None = None) -> Pixels:
    """The picture nearest to `image` that the scaler turns into `wanted`.

    Args:
        image: uint8 (h, w, 3). wanted: (size, size, 3), 0 to 255. where: (size, size) pixels of `wanted` that matter; all
            others stay what the scaler makes of `image`.
    """
    size = len(wanted)
    down, across = _inverse(image.shape[0], size, sampler), _inverse(image.shape[1], size, sampler)
    goal = scaled(image, size, sampler)
    goal = wanted if where is None else np.where(where[..., None], wanted, goal)
    large = image.astype(float)
    for _ in range(ROUNDS):
        gap = goal - scaled(large, size, sampler)
        large = np.clip(large + np.einsum("hi,ijc,wj->hwc", down, gap, across, optimize=True), 0, 255)
    return np.asarray(np.rint(large), np.uint8)


def whole(image: Pixels, other: Pixels, size: int, sampler: str) -> Pixels:
    """Whole-image attack: `image` turns into `other` (area-averaged) when it is scaled to size x size."""
    return hidden(image, scaled(other, size, "area"), sampler)


def trigger(image: Pixels, size: int, sampler: str, rng: np.random.Generator, side: int = 5) -> Pixels:
    """A random black and white or coloured pattern of side x side appears at a random place of the scaled picture."""
    wanted, where = scaled(image, size, "area"), np.zeros((size, size), bool)
    y, x = rng.integers(0, size - side + 1, 2)
    pattern = (
        rng.integers(0, 2, (side, side, 1)) * np.ones(3) if rng.random() < 0.5 else rng.integers(0, 2, (side, side, 3))
    )
    wanted[y : y + side, x : x + side], where[y : y + side, x : x + side] = pattern * 255, True
    return hidden(image, wanted, sampler, where)


def hides(image: Pixels, attacked: Pixels, size: int, sampler: str) -> bool:
    """Whether this is an attack at all: where the scaler sees a change, an area average sees less than half of it.

    A scaler that counts nearly every pixel (bilinear or bicubic at a factor of 2) leaves no room to hide: what it shows can
    be seen in the large picture as well.
    """
    seen = np.abs(scaled(attacked, size, sampler) - scaled(image, size, sampler)).mean()
    plain = np.abs(scaled(attacked, size, "area") - scaled(image, size, "area")).mean()
    return bool(seen > 0 and plain < 0.5 * seen)


def decoyed(attacked: Pixels, image: Pixels, size: int, rng: np.random.Generator, lattices: int = 1) -> Pixels:
    """Adaptive: the same change again on other lattices (shifted by whole pixels), so that the scaler's is not alone."""
    change = attacked.astype(float) - image
    step = image.shape[0] / size
    shifts = [(dy, dx) for dy in range(int(step)) for dx in range(int(step)) if dy or dx]
    out = attacked.astype(float)
    for at in rng.permutation(len(shifts))[:lattices]:
        moved = np.roll(change, shifts[at], axis=(0, 1))
        out = np.where(moved != 0, np.where(change == 0, image + moved, out), out)
    return np.asarray(np.clip(np.rint(out), 0, 255), np.uint8)
