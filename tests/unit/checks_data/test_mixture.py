"""Posteriors of wrong labels."""

from __future__ import annotations

import numpy as np

from countermark.checks.data._mixture import WrongLabels, margins


def scores_of(label: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    return np.eye(classes)[label] * 0.6 + rng.normal(0, 0.15, (len(label), classes))


def test_margins_by_hand() -> None:
    assert margins(np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]), np.array([0, 2])).tolist() == [0.2 - 0.7, 0.7 - 0.1]


def test_share_and_posterior_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 20, 3000)
    scores = scores_of(label, 20, rng)
    asked = np.arange(2500, 3000)
    given = label.copy()
    wrong = rng.random(3000) < np.where(np.arange(3000) >= 2500, 0.4, 0)
    given[wrong] = (label[wrong] + rng.integers(1, 20, wrong.sum())) % 20
    learnt = WrongLabels.learn(scores, given, np.arange(2500), seed=0)
    margin = margins(scores, given)[asked]
    share = learnt.share(margin)
    posterior = learnt.posterior(margin, share)
    assert abs(share - wrong[asked].mean()) < 0.03
    bad = posterior > 0.5
    assert abs(posterior[bad].mean() - wrong[asked][bad].mean()) < 0.05
    assert wrong[asked][bad].mean() > 0.9
    assert (np.diff(posterior[np.argsort(margin)]) >= -1e-12).all()


def test_honest_rows_hold_no_wrong_labels() -> None:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 20, 3000)
    scores = scores_of(label, 20, rng)
    learnt = WrongLabels.learn(scores, label, np.arange(2000), seed=0)
    assert learnt.share(margins(scores, label)[2000:]) < 0.01
