"""Gaps in tails, guessed additions, and rows that share one: p-values hold on heavy tails, faint waves are found."""

from __future__ import annotations

import numpy as np
import pytest

from countermark.checks.data._bank import patterns
from countermark.checks.data._directions import common
from countermark.checks.data._tail import at, widest

HONEST = {
    "power": lambda rng, n: rng.pareto(2.0, n) + 1.0,
    "very heavy": lambda rng, n: rng.pareto(0.7, n) + 1.0,
    "exponential": lambda rng, n: 1.0 + rng.exponential(3.0, n),
    "normal": lambda rng, n: rng.normal(0, 1, n),
}


@pytest.mark.parametrize("kind", HONEST)
def test_gap_at_a_place_chosen_without_the_numbers_keeps_its_level(kind: str) -> None:
    rng = np.random.default_rng(1)
    shown = [at(HONEST[kind](rng, 120), widest(HONEST[kind](rng, 120)).at).log_p for _ in range(2000)]
    for level in (0.05, 0.005):
        share = np.mean(np.array(shown) < np.log(level))
        assert share <= 1.6 * level, f"{kind}: {share} of honest cuts lie below {level}"


def test_group_apart_is_told_from_a_tail_of_the_same_reach() -> None:
    rng = np.random.default_rng(2)
    honest = rng.normal(0, 1, 100)
    group = np.concatenate([honest, rng.normal(14, 1, 12)])
    tail = np.concatenate([honest, 4 * (rng.pareto(1.0, 12) + 1)])
    assert at(group, 4.0).log_p < np.log(1e-6)
    assert at(tail, 4.0).log_p > np.log(1e-3)
    assert widest(group).at == pytest.approx(5.0, abs=2)


@pytest.mark.parametrize("few", [0, 1, 2, 3])
def test_too_few_numbers_say_nothing(few: int) -> None:
    assert widest(np.full(few, 50.0)).log_p == 0
    assert at(np.concatenate([np.zeros(20), np.full(min(few, 2), 50.0)]), 25.0).log_p == 0


def test_bank_holds_waves_and_bumps_that_differ() -> None:
    bank = patterns(8, 12, 100)
    assert bank.shape[1] == 100
    assert not bank[:, 96:].any()
    unit = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    alike = np.abs(unit @ unit.T) - np.eye(len(unit))
    assert alike.max() < 0.999


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_faint_wave_is_found_by_guessing_where_no_leading_direction_shows_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    side, classes, rows = 16, 8, 120
    mixing = rng.normal(0, 1, (20, side * side)) * 30
    label = np.repeat(np.arange(classes), rows)
    x = (rng.normal(0, 1, (len(label), 20)) @ mixing + rng.normal(0, 4, (len(label), side * side))).astype(np.float32)
    wave = np.cos(np.pi / side * 5 * (np.arange(side) + 0.5))
    planted = np.flatnonzero(label == 3)[:24]
    x[planted] += np.tile(wave * 7, (side, 1)).ravel()
    guessed = common(x, label, classes, seed, bank=patterns(side, side, side * side))
    assert guessed.log_p[3] < np.log(1e-5)
    assert set(np.flatnonzero(guessed.apart & (label == 3))) == set(planted)
    assert np.delete(guessed.log_p, 3).min() > np.log(1e-5)
