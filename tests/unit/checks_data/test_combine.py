"""Suppliers first, then cells, then rows."""

from __future__ import annotations

from dataclasses import replace

import made_up_parts
import numpy as np
import pytest

from countermark.checks.data import _combine
from countermark.checks.data._check import CheckReport
from countermark.checks.data._view import View
from countermark.finding import Passed

SET = made_up_parts.honest(0, classes=4, suppliers=4, makers=2, rows=2)


LARGER = made_up_parts.honest(0, classes=12, suppliers=8, makers=3, rows=8)


def view() -> View:
    return made_up_parts.view_of(SET)


def test_suppliers_are_named_at_their_share_of_five_percent() -> None:
    adjusted, named = _combine.named_suppliers(view(), np.array([0.0029, 0.5, 0.5, 0.5]))
    assert named == [0] and adjusted[0] == 0.0116
    assert _combine.named_suppliers(view(), np.array([0.0031, 0.5, 0.5, 0.5]))[1] == []


def test_beside_another_form_of_rows_the_line_is_half_as_high() -> None:
    """Whoever is just below the line of one form alone is not named beside another: findings, p and q agree on that."""
    alone, beside = view(), replace(view(), forms=2)
    p = np.array([0.0029, 0.5, 0.5, 0.5])
    adjusted, named = _combine.named_suppliers(beside, p)
    assert named == [] and adjusted[0] == 2 * _combine.named_suppliers(alone, p)[0][0]
    assert _combine.named_suppliers(beside, p / 2)[1] == [0]
    for adjusted, right in ((0.0116, True), (0.0232, False)):
        report = {"data/label-errors": CheckReport(Passed(), supplier_p=np.array([adjusted, 1, 1, 1]))}
        assert bool(_combine.supplier_q(beside, report)[1][0] < _combine.ALPHA) is right
    cells = [(s, c) for s, c, _ in alone.cells]
    p = np.full(len(cells), 0.9)
    p[0] = 0.011 / len(alone.suppliers) / sum(s == cells[0][0] for s, _ in cells)
    (one, first), (two, second) = (_combine.named_cells(seen, cells, p) for seen in (alone, beside))
    assert (first, second) == ([0], []) and two[cells[0]] == 2 * one[cells[0]] and max(two.values()) <= 1


def test_cells_pay_for_their_supplier() -> None:
    seen = view()
    cells = [(s, c) for s, c, _ in seen.cells]
    p = np.full(len(cells), 0.9)
    p[0] = 1e-4
    adjusted, named = _combine.named_cells(seen, cells, p)
    own = sum(s == cells[0][0] for s, _ in cells)
    assert named == [0]
    assert adjusted[cells[0]] == 1e-4 * own * len(seen.suppliers)
    assert min(v for k, v in adjusted.items() if k != cells[0]) > 0.05


def test_honest_cells_name_nobody_more_often_than_said() -> None:
    seen = view()
    cells = [(s, c) for s, c, _ in seen.cells]
    rng = np.random.default_rng(0)
    accused = [bool(_combine.named_cells(seen, cells, rng.random(len(cells)))[1]) for _ in range(1500)]
    assert np.mean(accused) < _combine.SHARE * 1.6


def test_combined_result() -> None:
    seen = view()
    s, c, rows = seen.cells[1]
    by_cell = CheckReport(Passed(), cell_p={(s, c): 0.001}, suspects=tuple(map(int, rows)))
    by_row = CheckReport(Passed(), row_p=np.full(len(seen.label), 0.4), supplier_p=np.full(4, 0.2))
    reports = {"a": by_cell, "b": by_row}
    p, q, loudest = _combine.supplier_q(seen, reports)
    assert p[s] == 0.001 and q[s] == pytest.approx(0.001 / 0.24) and loudest[s] == "a"
    assert _combine.cell_q(reports, (s, c)) == (0.001, pytest.approx(0.001 / 0.24))
    assert np.flatnonzero(_combine.flagged(seen, reports)).tolist() == rows.tolist()
    p = _combine.row_p(seen, reports)
    assert ((p > 0) & (p <= 1)).all()
    rest = np.setdiff1d(np.arange(len(p)), rows)
    assert p[rows].max() < p[rows].size / len(p) and p[rest].min() == 1.0


def test_rows_of_clean_data_have_uniform_p() -> None:
    seen, rng = made_up_parts.view_of(LARGER), np.random.default_rng(0)
    n = len(seen.label)
    reports = {name: CheckReport(Passed(), row_p=rng.random(n)) for name in "abc"}
    p = np.sort(_combine.row_p(seen, reports))
    assert np.abs(p - np.arange(1, n + 1) / (n + 1)).max() < 0.02


def test_a_check_that_found_nothing_does_not_dilute_one_that_did() -> None:
    seen, rng = made_up_parts.view_of(LARGER), np.random.default_rng(0)
    n = len(seen.label)
    strong = 0.01 + 0.99 * rng.random(n)
    strong[:30] = np.linspace(1e-4, 1e-3, 30)
    quiet = {name: CheckReport(Passed(), row_p=rng.random(n)) for name in "abc"}
    alone = _combine.row_p(seen, {"strong": CheckReport(Passed(), row_p=strong, expected=30.0), **quiet})
    assert set(np.argsort(alone)[:28]) <= set(range(30))


def test_the_rest_of_a_bad_cell_comes_after_flagged_rows_and_before_all_others() -> None:
    seen, rng = made_up_parts.view_of(LARGER), np.random.default_rng(0)
    n = len(seen.label)
    cell = seen.cells[3][2]
    share = np.zeros(n)
    share[cell] = 0.7
    unsuspicious = rng.uniform(0.05, 1, n)
    unsuspicious[cell] = 0.5
    quiet = {"a": CheckReport(Passed(), row_p=unsuspicious)}
    said = CheckReport(Passed(), suspects=tuple(map(int, cell[:3])), share=share)
    p = _combine.row_p(seen, {"said": said, **quiet})
    rest = np.setdiff1d(np.arange(n), cell)
    assert p[cell[:3]].max() < p[cell[3:]].min() and p[cell[3:]].max() < 0.03
    assert np.abs(np.sort(p[rest]) - np.arange(1, len(rest) + 1) / (len(rest) + 1)).max() < 0.05
    assert _combine.prior(seen, {"said": said, **quiet})[[cell[0], cell[-1], rest[0]]].tolist() == [0.9, 0.7, 0.01]


def test_shares_add_up_and_spectral_has_a_small_one() -> None:
    assert 4 * _combine.SHARE + sum(_combine.SHARES.values()) == pytest.approx(_combine.ALPHA)
    seen = view()
    said = {"data/spectral": CheckReport(Passed(), cell_p={(0, 0): 0.0021, (1, 0): 0.0019})}
    p, q, loudest = _combine.supplier_q(seen, said)
    assert (q < _combine.ALPHA).tolist() == [False, True, False, False]
    assert p[1] == 0.0019 and loudest[1] == "data/spectral"
