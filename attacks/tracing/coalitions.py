"""What several licensees make of their copies together: each weight from what they see of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Mix = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Copies (c, ...) to one copy."""


def mean(copies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return copies.mean(axis=0)


def median(copies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.median(copies, axis=0)


def least(copies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return copies.min(axis=0)


def middle(copies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half way between the least and the largest."""
    return (copies.min(axis=0) + copies.max(axis=0)) / 2


def any_one(copies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each weight from a copy drawn for it."""
    drawn = rng.integers(0, len(copies), copies.shape[1:])
    return np.take_along_axis(copies, drawn[None], axis=0)[0]


def minority(copies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The value that fewer copies have: with three copies it hides all of them from codes whose bits are fair coins."""
    low, high = copies.min(axis=0), copies.max(axis=0)
    above = (copies - low > high - copies).sum(axis=0)
    return np.where(above * 2 > len(copies), low, high)


def against(copies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Beyond the minority's value, as far again."""
    return 2 * minority(copies, rng) - copies.mean(axis=0)


MIXES: dict[str, Mix] = {
    "mean": mean, "median": median, "least": least, "middle": middle, "any one": any_one, "minority": minority,
    "against the mean": against,
}  # fmt: skip
