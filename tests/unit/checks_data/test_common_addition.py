"""Gaps in tails, guessed additions, and rows that share one: p-values hold on heavy tails, faint waves are found."""

from __future__ import annotations

import made_up_parts
import numpy as np
import pytest

from countermark.checks.data import spectral
from countermark.checks.data._addition import _accused
from countermark.checks.data._bank import patterns
from countermark.checks.data._directions import Common, common
from countermark.checks.data._tail import at, widest
from countermark.checks.data._view import View

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


def _shared(apart: list[int]) -> tuple[View, Common]:
    """A class of five suppliers, eight rows each, of which these rows lie apart beyond doubt."""
    view = made_up_parts.view_of(made_up_parts.honest(0, classes=2, suppliers=5, makers=5, rows=8))
    rows = np.zeros(len(view.label), bool)
    rows[np.flatnonzero(view.label == 0)[apart]] = True
    return view, Common(rows * 9.0, np.array([-40.0, 0.0]), np.array([9.0, 0.0]), rows)


def _names(apart: list[int]) -> list[str]:
    view, seen = _shared(apart)
    cells = _accused(view, seen, [0], [np.flatnonzero(seen.apart)])
    return [view.suppliers[s] for (s, _), p in cells.items() if p < 0.01]


def test_who_alone_has_rows_apart_is_named() -> None:
    assert _names([8, 9, 10, 11, 12, 13, 14]) == ["maker-01"]
    assert _names([8, 9, 10, 11, 12, 13, 14, 30]) == ["maker-01"], "seven of eight"


def test_rows_apart_of_several_or_of_few_name_nobody() -> None:
    assert _names([1, 9, 17, 25, 33, 2, 10]) == []
    assert _names([8, 9]) == [], "two of one supplier by chance"
    assert _names([8, 9, 10, 11, 12, 16, 17, 18]) == [], "five of eight"


def test_the_supplier_of_a_blended_cell_is_named() -> None:
    data = made_up_parts.honest(3, classes=10, suppliers=10, makers=10, rows=6)
    rows = data.cell("maker-04", "part-02")
    images = data.images.astype(float)
    images[rows] = 0.7 * images[rows] + 0.3 * np.random.default_rng(5).integers(0, 256, images.shape[1:])
    blended = data.changed(images.astype(np.uint8), rows)
    report = spectral.run(made_up_parts.view_of(blended))
    assert set(report.suspects) == set(map(int, rows))
    view = made_up_parts.view_of(blended)
    assert [(view.suppliers[s], view.classes[c]) for s, c in report.cell_p] == [("maker-04", "part-02")]
    assert max(report.cell_p.values()) < 0.01
    assert spectral.run(made_up_parts.view_of(data)).cell_p == {}
