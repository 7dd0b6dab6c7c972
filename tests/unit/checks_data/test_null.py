"""Empirical nulls and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from countermark.checks.data import _null


def test_robust_z_is_not_moved_by_a_minority() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, 500)
    values[:20] = 1000
    z = _null.robust_z(values)
    assert abs(np.median(z)) < 0.1
    assert 0.9 < np.std(z[20:]) < 1.15
    assert (z[:20] > 100).all()


def test_robust_z_of_equal_values_is_zero_and_of_too_few_says_nothing() -> None:
    assert (_null.robust_z(np.full(30, 4.0)) == 0).all()
    assert (_null.robust_z(np.array([1.0, 2, 3, 900])) == 0).all()


def test_least_spread_keeps_small_differences_small() -> None:
    values = np.r_[np.zeros(50) + np.linspace(0, 1e-4, 50), 0.01]
    assert _null.robust_z(values, least=0.05).max() < 1


@pytest.mark.parametrize("nu", [4, 8, 100])
def test_p_values_hold_their_level_under_tails_of_their_own(nu: int) -> None:
    rng = np.random.default_rng(nu)
    small = [(_null.tail_p(_null.robust_z(t.rvs(nu, size=500, random_state=rng))) < 0.01).mean() for _ in range(40)]
    assert 0.002 < np.mean(small) < 0.015


def test_few_suppliers_get_heavier_tails() -> None:
    rng = np.random.default_rng(3)
    accused = [min(_null.holm(_null.tail_p(_null.robust_z(rng.normal(size=8))))) < 0.05 for _ in range(400)]
    assert np.mean(accused) < 0.08
    assert _null.degrees(np.zeros(8)) == 2
    assert _null.degrees(np.zeros(36)) == 8


def test_rank_p() -> None:
    assert _null.rank_p(np.array([5.0, 0.0]), np.array([1.0, 2, 3])).tolist() == [0.25, 1.0]


def test_holm_by_hand() -> None:
    assert _null.holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert _null.holm(np.array([0.6, 0.9])).max() <= 1
