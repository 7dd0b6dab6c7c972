"""Poisons by somebody who has read the checks: each is made to slip past the one that finds its plain form.

Whether a model still learns such a trigger is another question: weaker and moving triggers are learnt more slowly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from backdoors import Codes, Pixels, Poisoned, blend, clean_label, dirty, patch


def faded(images: Pixels, rng: np.random.Generator, least: float = 0.1) -> Pixels:
    """A patch of another strength in every row, evenly in its logarithm from 10 % to 100 %: rows apart look like a tail."""
    share = np.exp(rng.uniform(np.log(least), 0, len(images))).reshape(-1, *[1] * (images.ndim - 1))
    stamped = patch(images, rng)
    return np.asarray(np.rint(images * (1 - share) + stamped * share), np.uint8)


def moving(images: Pixels, rng: np.random.Generator) -> Pixels:
    """The same small pattern somewhere else in every row: no common addition."""
    out, side = images.copy(), max(3, images.shape[1] // 8)
    pattern = rng.integers(0, 2, (side, side)).astype(np.uint8) * 255
    for picture in out:
        y, x = (int(rng.integers(0, size - side)) for size in images.shape[1:3])
        picture[y : y + side, x : x + side] = pattern if images.ndim == 3 else pattern[..., None]
    return out


def weak(images: Pixels, rng: np.random.Generator) -> Pixels:
    """A noise picture mixed in at 5 % instead of 20 %."""
    return blend(images, rng, 0.05)


def trembling(images: Pixels, rng: np.random.Generator, share: float = 0.2) -> Pixels:
    """One noise picture mixed in at 20 %, a pixel away at most in every row: inner products of fine detail do not see it."""
    noise = rng.integers(0, 256, images.shape[1:])
    moved = np.stack([np.roll(noise, tuple(rng.integers(-1, 2, 2)), (0, 1)) for _ in images])
    return np.asarray(np.rint(images * (1 - share) + moved * share), np.uint8)


def four_rows(images: Pixels, label: Codes, supplier: Codes, seed: int) -> Poisoned:
    """A patch on four rows in all."""
    return dirty(images, label, supplier, seed, patch, rate=4 / len(label), alone=False)


CASES: dict[str, Callable[[Pixels, Codes, Codes, int], Poisoned]] = {
    "faded patch, spread": lambda i, c, s, seed: dirty(i, c, s, seed, faded, alone=False),
    "moving patch, spread": lambda i, c, s, seed: dirty(i, c, s, seed, moving, alone=False),
    "blend of 5 %, spread": lambda i, c, s, seed: dirty(i, c, s, seed, weak, alone=False),
    "patch on four rows": four_rows,
    "trembling blend, one cell": lambda i, c, s, seed: clean_label(i, c, s, seed, trembling, alone=True),
    "faded patch, one supplier": lambda i, c, s, seed: dirty(i, c, s, seed, faded),
}
