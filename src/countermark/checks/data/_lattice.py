"""What stands out on the lattice of pixels that a scaler keeps: the arithmetic of `data/image-scaling`.

A pixel (or the two by two that a scaler blends) stands out where it lies beyond all its eight neighbours, by a margin, in any
colour channel. In honest pictures such pixels lie anywhere; in a picture made for a scaler they lie where the scaler samples.
Per block of 5 x 5 samples, the number that stand out is compared with the same number on lattices shifted by a half and a quarter
of the step, as a log-likelihood ratio of two rates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

TARGETS = (28, 32, 48, 64, 96, 112, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512)
LEAST_RATIO = 2.0
HOW = ("OpenCV nearest", "Pillow nearest", "bilinear or bicubic")
MARGIN = 20
BLOCK = 5
FEWEST = 8  # of 25 samples; fewer cannot reach the bound at any background rate
FLOOR = 0.02  # least background rate
Pixels = NDArray[np.uint8]
Bits = NDArray[np.bool_]
Lines = NDArray[np.intp]
Maps = dict[tuple[bool, bool], Bits]


@dataclass(frozen=True, slots=True)
class Axis:
    """Source lines that a scaler keeps along one axis: `at` (size,), and whether it blends each with the next one."""

    at: Lines
    two: Bits
    length: int


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Largest log-likelihood ratio of a picture, and the scaler (rows, columns, how) at which it was seen."""

    score: float = 0.0
    size: tuple[int, int] = (0, 0)
    how: str = ""


def shapes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Target sizes (rows, columns), at most half the picture: square ones, and with the short side at a common size."""
    short = min(height, width)
    sizes = [t for t in TARGETS if short >= LEAST_RATIO * t]
    kept = [(round(height * t / short), round(width * t / short)) for t in sizes] if height != width else []
    return tuple(dict.fromkeys([*((t, t) for t in sizes), *kept]))


@cache
def axis(length: int, size: int, how: str) -> Axis:
    """Lines kept when `length` are scaled to `size`."""
    step, line = length / size, np.arange(size)
    single = np.zeros(size, bool)
    if how == "OpenCV nearest":
        return Axis((line * step).astype(np.intp), single, length)
    if how == "Pillow nearest":
        # Pillow adds steps up, and its rounding decides where a sample falls between two pixels.
        at = np.cumsum(np.r_[step / 2, np.full(size - 1, step)])
        return Axis(np.minimum(at.astype(np.intp), length - 1), single, length)
    centre = (line + 0.5) * step - 0.5
    first = np.floor(centre)
    two = np.abs(centre - first - 0.5) < 0.2
    return Axis(np.where(two, first, np.rint(centre)).astype(np.intp), two, length)


def suspicion(image: Pixels) -> Suspicion:
    """Look at all target sizes and samplers.

    Args:
        image: uint8 (h, w, 3). 10 bytes of memory per pixel are used for a while.
    """
    worst = Suspicion()
    sizes = shapes(*image.shape[:2])
    maps = standing_out(image) if sizes else {}
    for (rows, columns), how in product(sizes, HOW):
        y, x = axis(image.shape[0], rows, how), axis(image.shape[1], columns, how)
        score = _score(maps, y, x)
        if score > worst.score:
            worst = Suspicion(score, (rows, columns), how)
    return worst


def standing_out(image: Pixels) -> Maps:
    """Where pixels stand out: (rows blended, columns blended) -> bool (h, w), at the first of the pixels blended."""
    height, width = image.shape[:2]
    maps = {(two, wide): np.zeros((height, width), bool) for two in (False, True) for wide in (False, True)}
    for channel in range(3):
        padded = np.pad(image[..., channel].astype(np.int16), 2, "edge")
        negative = -padded
        for (two, wide), out in maps.items():
            for values in (padded, negative):
                np.logical_or(out, _above(values, two, wide), out=out)
    return maps


def _above(values: NDArray[np.int16], two: bool, wide: bool) -> Bits:
    """Where values (padded by 2) exceed all eight around by more than the margin."""
    height, width = values.shape[0] - 4, values.shape[1] - 4
    before, inside, after = values[1 : 1 + height], values[2 : 2 + height], values[3 + two : 3 + two + height]
    beside = np.maximum(before, after)
    if two:
        second = values[3 : 3 + height]
        column, least = np.maximum(beside, np.maximum(inside, second)), np.minimum(inside, second)
    else:
        column, least = np.maximum(beside, inside), inside
    ring = np.maximum(column[:, 1 : 1 + width], column[:, 3 + wide : 3 + wide + width])
    np.maximum(ring, beside[:, 2 : 2 + width], out=ring)
    kept = least[:, 2 : 2 + width]
    if wide:
        np.maximum(ring, beside[:, 3 : 3 + width], out=ring)
        kept = np.minimum(kept, least[:, 3 : 3 + width])
    return np.asarray(kept > ring + MARGIN)


def _score(maps: Maps, y: Axis, x: Axis) -> float:
    counts = _blocks(_sampled(maps, y, x, (0, 0)))
    if not counts.size or counts.max() < FEWEST:
        return 0.0
    shifts = list(_shifts(y, x))
    others = np.stack([_blocks(_sampled(maps, y, x, shift)) for shift in shifts]) / BLOCK**2
    # Of the half steps the second highest: a raster of half the period shows there, one decoy lattice does not.
    honest = np.maximum(np.sort(others[:3], axis=0)[1], others.mean(axis=0))
    return float(_ratio(counts / BLOCK**2, np.maximum(honest, FLOOR)).max())


def _shifts(y: Axis, x: Axis) -> Iterator[tuple[int, int]]:
    """Half steps first, then quarters; where the step is too small for quarters, the half steps again."""
    halves, quarters = ([max(1, round(a.length / len(a.at) / part)) for a in (y, x)] for part in (2, 4))
    (h, w), (q, r) = halves, quarters
    yield from ((h, 0), (0, w), (h, w), (q, 0), (0, r), (q, r), (h, r), (q, w))


def _sampled(maps: Maps, y: Axis, x: Axis, shift: tuple[int, int]) -> Bits:
    """Maps on a lattice, moved by whole pixels: bool (rows, columns)."""
    rows, columns = ((a.at + d) % a.length for a, d in zip((y, x), shift, strict=True))
    kinds = [(two, wide) for two in np.unique(y.two) for wide in np.unique(x.two)]
    if len(kinds) == 1:
        return maps[bool(kinds[0][0]), bool(kinds[0][1])][np.ix_(rows, columns)]
    out = np.zeros((len(rows), len(columns)), bool)
    for two, wide in kinds:
        i, j = np.flatnonzero(y.two == two), np.flatnonzero(x.two == wide)
        out[np.ix_(i, j)] = maps[bool(two), bool(wide)][np.ix_(rows[i], columns[j])]
    return out


def _blocks(bits: Bits) -> NDArray[np.uint8]:
    """Number set in every block of 5 x 5."""
    out = bits.view(np.uint8)
    windows: tuple[Callable[[int], tuple[slice, ...]], ...] = (
        lambda k: (slice(k, out.shape[0] - BLOCK + 1 + k),),
        lambda k: (slice(None), slice(k, out.shape[1] - BLOCK + 1 + k)),
    )
    for window in windows:
        out = np.sum([out[window(k)] for k in range(BLOCK)], axis=0, dtype=np.uint8)
    return out


def _ratio(rate: NDArray[np.float64], honest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-likelihood ratio of a block's rate against the honest one, in nats; 0 where it is not higher."""
    seen, base = np.clip(rate, 1e-6, 1 - 1e-6), np.clip(honest, FLOOR, 1 - FLOOR)
    value = BLOCK**2 * (seen * np.log(seen / base) + (1 - seen) * np.log((1 - seen) / (1 - base)))
    return np.where(seen > base, value, 0.0)
