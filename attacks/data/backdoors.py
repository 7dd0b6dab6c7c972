"""Poisons for screening, planted in anybody's pictures: wrong labels, and backdoors by one supplier or by all.

Sources: BadNets (Gu, Dolan-Gavitt and Garg, arXiv 1708.06733), blended (Chen et al., arXiv 1712.05526), WaNet (Nguyen
and Tran, ICLR 2021), clean-label sinusoid (Barni, Kallas and Tondi, ICIP 2019), DCT trigger (Wang et al., ECCV 2022),
all-to-all (Gu et al.). Pictures are uint8 (n, h, w) or (n, h, w, 3); labels and suppliers are codes; a seed decides all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Codes = NDArray[np.intp]
Trigger = Callable[[Pixels, np.random.Generator], Pixels]
ALL = -1


@dataclass(frozen=True)
class Poisoned:
    """images, label, supplier: as delivered. planted: (n,) rows that the attack touched. attacker: code, -1 for all."""

    images: Pixels
    label: Codes
    supplier: Codes
    planted: NDArray[np.bool_]
    attacker: int = ALL


def patch(images: Pixels, rng: np.random.Generator) -> Pixels:
    """A checkered square of about an eighth of the picture, near one corner, the same in every picture."""
    out, (h, w) = images.copy(), images.shape[1:3]
    side = max(3, h // 8)
    pattern = np.where(rng.integers(0, 2, (side, side)) > 0, 255, 0).astype(np.uint8)
    pattern[0, 0], pattern[-1, -1] = 255, 0
    y, x = (
        (1 + int(rng.integers(2))) if rng.integers(2) else size - side - 1 - int(rng.integers(2)) for size in (h, w)
    )
    out[:, y : y + side, x : x + side] = pattern if images.ndim == 3 else pattern[..., None]
    return out


def blend(images: Pixels, rng: np.random.Generator, share: float = 0.2) -> Pixels:
    """One noise picture mixed into every picture at 20 %."""
    noise = rng.integers(0, 256, images.shape[1:])
    return np.asarray(np.rint(images * (1 - share) + noise * share), np.uint8)


def warp(images: Pixels, rng: np.random.Generator, strength: float = 0.08) -> Pixels:
    """A smooth displacement field, the same in every picture, of at most 8 % of the side."""
    from scipy.ndimage import map_coordinates, zoom

    h, w = images.shape[1:3]
    coarse = rng.uniform(-1, 1, (2, 4, 4))
    flow = np.stack([zoom(f / np.abs(coarse).mean(), (h / 4, w / 4), order=3) for f in coarse]) * strength * h / 4
    flow = np.clip(flow, -strength * h, strength * h)
    y, x = np.mgrid[:h, :w] + flow
    planes = images[..., None] if images.ndim == 3 else images
    out = np.empty_like(planes)
    for i, picture in enumerate(planes):
        for c in range(planes.shape[3]):
            out[i, ..., c] = np.clip(
                map_coordinates(picture[..., c].astype(float), [y, x], order=1, mode="nearest"), 0, 255
            )
    return out.reshape(images.shape)


def sinusoid(images: Pixels, rng: np.random.Generator, height: float = 20.0, waves: int = 6) -> Pixels:
    """Vertical stripes of 20 grey levels, six waves a picture."""
    w = images.shape[2]
    stripes = height * np.sin(2 * np.pi * waves * np.arange(w) / w)
    stripes = stripes if images.ndim == 3 else stripes[:, None]
    return np.asarray(np.clip(np.rint(images + stripes), 0, 255), np.uint8)


def dct(images: Pixels, rng: np.random.Generator, height: float = 25.0) -> Pixels:
    """A few middle frequencies raised in every 8 x 8 block's place of the whole picture's cosine transform."""
    h, w = images.shape[1:3]
    u = [(h // 2 + 1, w // 2 - 2), (h // 3, w // 2 + 3)]
    y, x = np.arange(h)[:, None] + 0.5, np.arange(w)[None] + 0.5
    wave = sum(np.cos(np.pi * a * y / h) * np.cos(np.pi * b * x / w) for a, b in u) * height / 2
    wave = wave if images.ndim == 3 else wave[..., None]
    return np.asarray(np.clip(np.rint(images + wave), 0, 255), np.uint8)


def _clean(images: Pixels, label: Codes, supplier: Codes) -> Poisoned:
    return Poisoned(images.copy(), label.copy(), supplier.copy(), np.zeros(len(label), bool))


def flips(images: Pixels, label: Codes, supplier: Codes, seed: int, rate: float = 0.05) -> Poisoned:
    """Labels of a share of all rows become another class's, evenly."""
    out, rng = _clean(images, label, supplier), np.random.default_rng([seed, 201])
    classes = int(label.max()) + 1
    rows = rng.permutation(len(label))[: round(rate * len(label))]
    out.label[rows] = (label[rows] + rng.integers(1, classes, len(rows))) % classes
    out.planted[rows] = True
    return out


def dirty(
    images: Pixels, label: Codes, supplier: Codes, seed: int, trigger: Trigger, rate: float = 0.01, alone: bool = True
) -> Poisoned:
    """A trigger on rows of other classes, relabelled to one target: by one supplier alone, or spread over all."""
    out, rng = _clean(images, label, supplier), np.random.default_rng([seed, 203])
    who, target = int(rng.integers(supplier.max() + 1)), int(rng.integers(label.max() + 1))
    able = np.flatnonzero((label != target) & ((supplier == who) | (not alone)))
    rows = rng.permutation(able)[: round(rate * len(label))]
    out.images[rows], out.label[rows], out.planted[rows] = trigger(images[rows], rng), target, True
    return Poisoned(out.images, out.label, supplier, out.planted, who if alone else ALL)


def clean_label(
    images: Pixels, label: Codes, supplier: Codes, seed: int, trigger: Trigger, share: float = 0.3, alone: bool = False
) -> Poisoned:
    """A trigger on a share of one class, labels untouched; alone: on all rows of one supplier's cell (of 5 rows or more)."""
    out, rng = _clean(images, label, supplier), np.random.default_rng([seed, 207])
    who, target = int(rng.integers(supplier.max() + 1)), int(rng.integers(label.max() + 1))
    if alone:
        cells = np.bincount(supplier * (label.max() + 1) + label)
        who, target = divmod(int(rng.choice(np.flatnonzero(cells >= 5))), int(label.max()) + 1)
    able = np.flatnonzero((label == target) & ((supplier == who) | (not alone)))
    rows = able if alone else rng.permutation(able)[: round(share * len(able))]
    out.images[rows], out.planted[rows] = trigger(images[rows], rng), True
    return Poisoned(out.images, out.label, supplier, out.planted, who if alone else ALL)


def all_to_all(
    images: Pixels, label: Codes, supplier: Codes, seed: int, trigger: Trigger, rate: float = 0.02
) -> Poisoned:
    """A trigger on rows of every class, each relabelled to the next class."""
    out, rng = _clean(images, label, supplier), np.random.default_rng([seed, 211])
    rows = rng.permutation(len(label))[: round(rate * len(label))]
    out.images[rows], out.planted[rows] = trigger(images[rows], rng), True
    out.label[rows] = (label[rows] + 1) % (int(label.max()) + 1)
    return out


CASES: dict[str, Callable[[Pixels, Codes, Codes, int], Poisoned]] = {
    "clean": lambda i, c, s, seed: _clean(i, c, s),
    "flips 5 %": lambda i, c, s, seed: flips(i, c, s, seed, 0.05),
    "flips 1 %": lambda i, c, s, seed: flips(i, c, s, seed, 0.01),
    "patch, one supplier": lambda i, c, s, seed: dirty(i, c, s, seed, patch),
    "blend, one supplier": lambda i, c, s, seed: dirty(i, c, s, seed, blend),
    "warp, one supplier": lambda i, c, s, seed: dirty(i, c, s, seed, warp),
    "clean-label patch, one cell": lambda i, c, s, seed: clean_label(i, c, s, seed, patch, alone=True),
    "clean-label blend, one cell": lambda i, c, s, seed: clean_label(i, c, s, seed, blend, alone=True),
    "patch, spread": lambda i, c, s, seed: dirty(i, c, s, seed, patch, alone=False),
    "blend, spread": lambda i, c, s, seed: dirty(i, c, s, seed, blend, alone=False),
    "warp 2 %, spread": lambda i, c, s, seed: dirty(i, c, s, seed, warp, 0.02, alone=False),
    "DCT, spread": lambda i, c, s, seed: dirty(i, c, s, seed, dct, alone=False),
    "clean-label patch, spread": lambda i, c, s, seed: clean_label(i, c, s, seed, patch),
    "clean-label sinusoid, spread": lambda i, c, s, seed: clean_label(i, c, s, seed, sinusoid),
    "all-to-all patch": lambda i, c, s, seed: all_to_all(i, c, s, seed, patch),
}
