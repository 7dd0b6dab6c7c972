"""Looking for one small pattern in the pictures of a cell: standing still, or moving about.

Standing still: in honest photographs the part is posed anew each time, so wherever there is contrast there is also
spread between pictures; a stamp has contrast without spread. Moving about: some window of one picture is found again,
anywhere in most of the cell's other pictures, and in few pictures of anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
WINDOW = 8
NOISE = 9.0
SHRINK, SMALL = 2, 6
LIVELIEST, CANDIDATES, TEACHERS = 120, 8, 3
FLAT = 4.0


def still(images: Pixels) -> tuple[float, int, int]:
    """Largest ratio of contrast in the mean picture to spread between pictures, and its window's left and top pixel.

    Args:
        images: one cell, uint8 (n, h, w, 3), h and w at least 8.
    """
    stack = images.astype(np.float32)
    mean = stack.mean(axis=0)
    spread = (np.einsum("nhwc,nhwc->hw", stack, stack) / len(stack) - np.einsum("hwc,hwc->hw", mean, mean)) / 3
    contrast = sum(_box(mean[..., c] ** 2) - _box(mean[..., c]) ** 2 for c in range(3)) / 3
    ratio = np.maximum(contrast, 0) / (np.maximum(_box(spread), 0) + NOISE)
    y, x = np.unravel_index(int(ratio.argmax()), ratio.shape)
    return float(ratio[y, x]) + 1e-6, int(x), int(y)


def _box(values: Floats) -> Doubles:
    """Means over all WINDOW x WINDOW windows, by a summed-area table."""
    sums = np.cumsum(np.cumsum(np.pad(values.astype(np.float64), ((1, 0), (1, 0))), axis=0), axis=1)
    w = WINDOW
    return np.asarray((sums[w:, w:] - sums[:-w, w:] - sums[w:, :-w] + sums[:-w, :-w]) / (w * w))


def likeness(images: Pixels, x: int, y: int) -> Doubles:
    """Correlation of each picture's window with the cell's median window: (n,), -1 to 1."""
    window = images[:, y : y + WINDOW, x : x + WINDOW].reshape(len(images), -1).astype(np.float64)
    pattern = np.median(window, axis=0)
    a, b = window - window.mean(axis=1, keepdims=True), pattern - pattern.mean()
    return np.asarray(a @ b / (np.linalg.norm(a, axis=1) * np.linalg.norm(b) + 1e-9))


@dataclass(frozen=True, slots=True)
class Windows:
    """The liveliest windows of pictures at half size.

    Attributes:
        unit: float32 (n, k, 108), centred, length 1. place: (n, k, 2) left and top pixel at full size.
    """

    unit: Floats
    place: NDArray[np.intp]

    @classmethod
    def of(cls, images: Pixels) -> Windows:
        """Cut the windows of pictures, uint8 (n, h, w, 3)."""
        n, h, w = images.shape[0], images.shape[1] // SHRINK, images.shape[2] // SHRINK
        cut = images[:, : h * SHRINK, : w * SHRINK].astype(np.float32)
        # Adding strided views is several times faster than one reduction over two inner axes.
        corners = [cut[:, y::SHRINK, x::SHRINK] for y in range(SHRINK) for x in range(SHRINK)]
        small = np.asarray(sum(corners[1:], corners[0]) / SHRINK**2, np.float32)
        view = np.lib.stride_tricks.sliding_window_view(small, (SMALL, SMALL), axis=(1, 2))
        contrast = _contrast(small).reshape(n, -1)
        keep = np.argsort(-contrast, axis=1, kind="stable")[:, :LIVELIEST]
        y, x = np.divmod(keep, w - SMALL + 1)
        flat = view[np.arange(n)[:, None], y, x].reshape(n, keep.shape[1], -1)
        flat = flat - flat.mean(axis=-1, keepdims=True)
        length = np.linalg.norm(flat, axis=-1, keepdims=True)
        place = np.stack([x, y], axis=-1) * SHRINK
        return cls(np.asarray(flat / (length + FLAT * flat.shape[-1] ** 0.5), np.float32), place)

    def take(self, rows: NDArray[np.intp]) -> Windows:
        """Windows of some of the pictures."""
        return Windows(self.unit[rows], self.place[rows])


@dataclass(frozen=True, slots=True)
class Moving:
    """gain: median best correlation inside minus the 90 % quantile outside. like: best correlation of each picture.

    least: likeness of pictures that carry the pattern. place: (n, 2) left and top pixel in each picture.
    """

    gain: float
    like: Doubles
    least: float
    place: NDArray[np.intp]


def _contrast(small: Floats) -> Floats:
    """Variance inside each SMALL x SMALL window over pixels and colours: (n, h - 5, w - 5)."""

    def box(values: NDArray[np.floating[Any]]) -> Doubles:
        sums = np.cumsum(np.cumsum(np.pad(values.astype(np.float64), ((0, 0), (1, 0), (1, 0))), axis=1), axis=2)
        w = SMALL
        return np.asarray(sums[:, w:, w:] - sums[:, :-w, w:] - sums[:, w:, :-w] + sums[:, :-w, :-w]) / (w * w)

    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    mean = box((red + green + blue) / 3)
    return np.asarray(box((red * red + green * green + blue * blue) / 3) - mean**2, np.float32)


def moving(cell: Windows, others: Sequence[Windows]) -> Moving:
    """The window of the cell that is found again inside the cell so much better than among any of `others`.

    Args:
        cell: pictures of one cell. others: groups to compare with: the class elsewhere, the supplier's other classes,
            strangers. Groups without pictures do not count.
    """
    n = len(cell.unit)
    teachers = np.arange(min(TEACHERS, n))
    chosen = np.concatenate([cell.unit[t][_apart(cell.place[t])] for t in teachers])
    home = np.repeat(teachers, len(chosen) // len(teachers))
    inside = cell.unit @ chosen.T
    found = inside.max(axis=1)
    found[home, np.arange(len(chosen))] = np.nan  # a window is always found in its own picture
    known = [np.quantile((o.unit @ chosen.T).max(axis=1), 0.9, axis=0) for o in others if len(o.unit)]
    outside = np.max(known, axis=0)
    gain = np.nanmedian(found, axis=0) - outside
    best = int(gain.argmax())
    like = np.asarray(inside[:, :, best].max(axis=1), float)
    # Half-way between what strangers reach and what the cell does: the pictures that carry the pattern.
    least = float(outside[best] + gain[best] / 2)
    at = inside[:, :, best].argmax(axis=1)
    return Moving(float(gain[best]), like, least, cell.place[np.arange(n), at])


def _apart(place: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions of the CANDIDATES liveliest windows that lie at least 4 pixels apart (fewer: repeated)."""
    free = np.ones(len(place), bool)
    kept: list[int] = []
    while free.any() and len(kept) < CANDIDATES:
        kept.append(int(free.argmax()))
        free &= np.abs(place - place[kept[-1]]).max(axis=1) >= 4
    return np.resize(np.array(kept, np.intp), CANDIDATES)
