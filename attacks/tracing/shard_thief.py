"""What a thief makes of a model that was shipped without its shard: guesses at what is misplaced, and training with little data.

The thief knows how shards are made, and not the key: of the largest weights, twice the share, half have the wrong sign.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Weights = dict[str, np.ndarray]


def as_shipped(weights: Weights, share: float) -> Weights:
    return weights


def without_largest(weights: Weights, share: float) -> Weights:
    """All candidates set to zero: the mean of both guesses."""
    return _each(weights, lambda w: np.where(_largest(w, 2 * share), 0, w))


def without_some(weights: Weights, share: float) -> Weights:
    """The largest candidates set to zero, as many as are wrong."""
    return _each(weights, lambda w: np.where(_largest(w, share), 0, w))


def halved(weights: Weights, share: float) -> Weights:
    """All candidates by half: they were right as often as wrong, and the network leans on them."""
    return _each(weights, lambda w: np.where(_largest(w, 2 * share), w / 2, w))


def low_rank(weights: Weights, share: float) -> Weights:
    """What the rest of the matrix says of each candidate, from a quarter of its singular values: that sign, where it is said loudest."""

    def guess(flat: np.ndarray) -> np.ndarray:
        candidates = _largest(flat, 2 * share)
        u, s, v = np.linalg.svd(np.where(candidates, 0, flat), full_matrices=False)
        rank = max(1, len(s) // 4)
        against = np.where(candidates, -((u[:, :rank] * s[:rank]) @ v[:rank]) * np.sign(flat), 0)
        loud = against > np.quantile(against[candidates], 0.5)
        return np.where(candidates & loud & (against > 0), -flat, flat)

    return _each(weights, lambda w: guess(w.reshape(len(w), -1)).reshape(w.shape))


def balanced(weights: Weights, share: float) -> Weights:
    """Rows whose candidates lean to one sign more than the rest of the row does: the leaning ones turned until they do not."""

    def guess(flat: np.ndarray) -> np.ndarray:
        candidates, out = _largest(flat, 2 * share), flat.copy()
        for row in range(len(flat)):
            here = np.flatnonzero(candidates[row])
            lean = int(np.sign(flat[row, here]).sum())
            same = here[np.sign(flat[row, here]) == np.sign(lean)]
            out[row, same[: abs(lean) // 2]] *= -1
        return out

    return _each(weights, lambda w: guess(w.reshape(len(w), -1)).reshape(w.shape))


REPAIRS: dict[str, Callable[[Weights, float], Weights]] = {
    "as shipped": as_shipped, "candidates to zero": without_largest, "half of them to zero": without_some, "candidates by half": halved,
    "low rank": low_rank, "balanced rows": balanced,
}  # fmt: skip


def _each(weights: Weights, how: Callable[[np.ndarray], np.ndarray]) -> Weights:
    return {n: how(w).astype(np.float32) if w.ndim >= 2 and w.size >= 1024 else w for n, w in weights.items()}


def _largest(w: np.ndarray, share: float) -> np.ndarray:
    return np.abs(w) >= np.quantile(np.abs(w), 1 - share)
