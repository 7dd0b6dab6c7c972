"""Ridge heads that never saw what they score: by fold, and by supplier, both exact and closed-form.

Leaving a group out needs only its own sums: with G = Z'Z and H = Z'Y over all rows, the head without group g
solves (G - G_g + lambda I) W = H - H_g. Sums of groups add up, so deliveries can be added and taken away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DIMENSIONS = 640
RIDGE = 0.06


def reduced(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Standardised features on their leading principal directions, each scaled to at most unit variance.

    Args:
        features: (n, d). seed: of the row sample that directions are taken from.

    Returns:
        float32 (n, min(d, 640)).
    """
    z = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)
    if z.shape[1] <= DIMENSIONS:
        return np.asarray(z, np.float32)
    rng = np.random.default_rng([seed, 41])
    sample = z[np.sort(rng.permutation(len(z))[:4000])]
    _, vectors = np.linalg.eigh(sample.T @ sample / len(sample))
    return np.asarray(z @ vectors[:, ::-1][:, :DIMENSIONS], np.float32)


def folds(label: NDArray[np.intp], seed: int, count: int = 5) -> NDArray[np.intp]:
    """Fold of each row, classes spread evenly: (n,)."""
    rng = np.random.default_rng([seed, 43])
    out = np.empty(len(label), np.intp)
    for c in np.unique(label):
        rows = np.flatnonzero(label == c)
        out[rng.permutation(rows)] = (np.arange(len(rows)) + rng.integers(count)) % count
    return out


def score_apart(
    z: NDArray[np.float32], label: NDArray[np.intp], group: NDArray[np.intp], teaching: NDArray[np.intp], classes: int
) -> Floats:
    """Scores of every row from a head fitted on the rows of `teaching` outside the row's group.

    Args:
        teaching: indices of rows that may teach; the others are only scored.
    """
    target = np.zeros((len(z), classes))
    target[teaching, label[teaching]] = 1.0
    x = np.column_stack([z, np.ones(len(z), np.float32)]).astype(np.float64)
    taught = np.zeros(len(z), bool)
    taught[teaching] = True
    penalty = RIDGE * len(teaching) * np.eye(x.shape[1])
    penalty[-1, -1] = 1e-6 * len(teaching)
    gram, cross = x[taught].T @ x[taught], x[taught].T @ target[taught]
    out = np.empty((len(z), classes))
    for g in np.unique(group):
        rows, own = group == g, (group == g) & taught
        weights = np.linalg.solve(gram - x[own].T @ x[own] + penalty, cross - x[own].T @ target[own])
        out[rows] = x[rows] @ weights
    return out
