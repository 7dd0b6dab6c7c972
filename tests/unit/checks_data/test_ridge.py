"""Heads that never saw what they score, against refitting from scratch."""

from __future__ import annotations

import numpy as np
import pytest

from countermark.checks.data import _ridge
from countermark.checks.data._heads import Heads


def refitted(z: np.ndarray, label: np.ndarray, keep: np.ndarray, teaching: int, classes: int) -> np.ndarray:
    x = np.column_stack([z, np.ones(len(z))]).astype(float)
    penalty = np.full(x.shape[1], _ridge.RIDGE * teaching)
    penalty[-1] = 1e-6 * teaching
    return x @ np.linalg.solve(x[keep].T @ x[keep] + np.diag(penalty), x[keep].T @ np.eye(classes)[label[keep]])


@pytest.mark.parametrize("groups", [2, 7, 30])
def test_leaving_out_is_exact(groups: int) -> None:
    rng = np.random.default_rng(groups)
    z, label, group = (
        rng.normal(size=(200, 25)).astype(np.float32),
        rng.integers(0, 4, 200),
        rng.integers(0, groups, 200),
    )
    teaching = np.sort(rng.permutation(200)[:170])
    scores = _ridge.score_apart(z, label, group, teaching, 4)
    for g in np.unique(group):
        keep = teaching[group[teaching] != g]
        expected = refitted(z, label, keep, len(teaching), 4)[group == g]
        np.testing.assert_allclose(scores[group == g], expected, atol=1e-10)


def test_folds_spread_every_class() -> None:
    label = np.repeat(np.arange(6), 11)
    fold = _ridge.folds(label, seed=1)
    counts = np.array([np.bincount(fold[label == c], minlength=5) for c in range(6)])
    assert set(counts.ravel()) == {2, 3}
    assert (fold == _ridge.folds(label, seed=1)).all()


def test_reduced_keeps_distances() -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(size=(300, 40)) @ rng.normal(size=(40, 900))
    z = _ridge.reduced(low.astype(np.float32), seed=0)
    standard = (low - low.mean(0)) / (low.std(0) + 1e-3)
    assert z.shape[1] <= 640
    gram = standard @ standard.T
    assert np.abs(z @ z.T - gram).max() < 0.01 * np.abs(gram).max()


def test_heads_are_fitted_once_and_know_the_untaught() -> None:
    rng = np.random.default_rng(1)
    label, supplier = np.tile(np.arange(3), 20), np.repeat(np.arange(4), 15)
    features = np.asarray(np.eye(3)[label] * 4 + rng.normal(0, 0.3, (60, 3)), np.float32)
    heads = Heads(features, label, supplier, 3, 0)
    assert heads.accuracy > 0.95
    assert heads.by_fold() is heads.by_fold()
    assert heads.by_fold(np.array([1, 2])) is not heads.by_fold()
