"""Ridge heads that never saw what they score: by fold, and by supplier, both exact and closed-form.

Leaving a group out needs only its own sums: with G = Z'Z and H = Z'Y over all rows, the head without group g
solves (G - G_g + lambda I) W = H - H_g. Sums of groups add up, so deliveries can be added and taken away; for groups
smaller than the features the same solution comes cheaper by Woodbury's identity. Rows are multiples of 1/256
(`features.frame`), so the sums are exact, and so is taking one away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.features.frame import Directions

Floats = NDArray[np.float64]
RIDGE = 0.06


def reduced(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Standardised features on the leading principal directions of a sample of rows.

    Args:
        features: (n, d). seed: of the row sample that directions are taken from.

    Returns:
        float32 (n, at most 640), multiples of 1/256.
    """
    return Directions.fit(features, seed).on(features)


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
    """Scores of every row from a head fitted on the rows of `teaching` outside the row's group: float64 (n, classes).

    Args:
        z: (n, d) features. label: (n,) class codes. group: (n,) folds or suppliers.
        teaching: indices of rows that may teach; the others are only scored.
    """
    from scipy.linalg import cho_factor, cho_solve

    target = np.zeros((len(z), classes))
    target[teaching, label[teaching]] = 1.0
    x = np.column_stack([z, np.ones(len(z), np.float32)]).astype(np.float64)
    taught = np.zeros(len(z), bool)
    taught[teaching] = True
    penalty = np.full(x.shape[1], RIDGE * len(teaching))
    penalty[-1] = 1e-6 * len(teaching)
    known = x[teaching]
    gram, cross = known.T @ known + np.diag(penalty), known.T @ target[teaching]
    factor = cho_factor(gram)
    weights = cho_solve(factor, cross)
    out = x @ weights
    for g in np.unique(group):
        rows, own = np.flatnonzero(group == g), np.flatnonzero((group == g) & taught)
        sums = x[own].T @ x[own] if len(own) > x.shape[1] else None
        if sums is not None:
            out[rows] = x[rows] @ cho_solve(cho_factor(gram - sums), cross - x[own].T @ target[own])
        elif len(own):
            # Woodbury: taking a small group's sums away changes its scores by a system of the group's size.
            shaped = cho_solve(factor, x[own].T)
            step = np.linalg.solve(np.eye(len(own)) - x[own] @ shaped, target[own] - x[own] @ weights)
            out[rows] -= (x[rows] @ shaped) @ step
    return np.asarray(out)
