"""Cells whose rows are alike in fine detail: faint blends are named, light, copies and honest cells are not."""

from __future__ import annotations

from dataclasses import replace

import made_up_parts
import numpy as np
import pytest

from countermark.checks.data import cell_difference
from countermark.checks.data._likeness import detail, likeness
from countermark.finding import Found, Passed

SIZE = {"classes": 24, "suppliers": 20, "makers": 4, "rows": 10}


def honest(seed: int) -> made_up_parts.MadeUp:
    return made_up_parts.honest(seed, **SIZE)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_blend_too_faint_for_heads_names_its_supplier(seed: int) -> None:
    data = made_up_parts.blended(honest(seed), "maker-03", "part-03", share=0.06, seed=seed)
    report = cell_difference.run(made_up_parts.view_of(data))
    assert isinstance(report.outcome, Found)
    (finding,) = report.outcome.findings
    assert finding.where.supplier == "maker-03" and "alike in fine detail" in finding.what
    assert set(report.suspects) == set(np.flatnonzero(data.planted).tolist())
    assert len(finding.exhibits) == 2 and set(finding.exhibits) <= set(report.exhibits)
    scores = {m.name: m.value for m in report.outcome.measures}
    assert scores["largest robust score"] < 15 < scores["largest robust score of likeness"]


@pytest.mark.parametrize("seed", range(6))
def test_honest_cells_are_not_named(seed: int) -> None:
    report = cell_difference.run(made_up_parts.view_of(honest(seed)))
    assert isinstance(report.outcome, Passed) and report.suspects == ()


def test_copies_are_left_to_the_check_of_duplicates() -> None:
    data = honest(3)
    rows, images = data.cell("maker-03", "part-03"), data.images.copy()
    images[rows] = images[rows[0]]
    view = made_up_parts.view_of(replace(data, images=images))
    assert cell_difference._likenesses(view, list(view.cells), np.zeros(0, np.intp)).argmax() == at(view, rows)  # type: ignore[union-attr]
    told = view.suspecting("data/duplicates", tuple(int(r) for r in rows[1:]))
    assert cell_difference._likenesses(told, list(told.cells), np.zeros(0, np.intp))[at(view, rows)] == 0  # type: ignore[index]


def at(view: made_up_parts.View, rows: np.ndarray) -> int:
    return next(i for i, cell in enumerate(view.cells) if np.array_equal(cell[2], rows))


def test_light_and_contrast_count_for_nothing() -> None:
    images = honest(4).images[:20]
    one, other = detail(images), detail((images * 0.5 + 20).astype(np.uint8))
    assert (np.einsum("nd,nd->n", one, other) > 0.97).all()
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
    assert not detail(np.full((2, 64, 64, 3), 9, np.uint8)).any()


def test_likeness_is_the_mean_over_pairs_however_rows_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    view = made_up_parts.view_of(honest(5))
    s, c, rows = view.cells[7]
    others = np.setdiff1d(np.flatnonzero(view.label == c), rows)
    own, rest = detail(view.images[rows]), detail(view.images[others])
    pairs = (own @ own.T)[~np.eye(len(rows), dtype=bool)].mean() - (own @ rest.T).mean()
    nothing = np.zeros(0, np.intp)
    assert likeness(view, [(s, c, rows)], nothing)[0] == pytest.approx(pairs, abs=1e-5)
    monkeypatch.setattr("countermark.checks.data._likeness.AT_ONCE", 3)
    assert likeness(view, [(s, c, rows)], nothing)[0] == pytest.approx(pairs, abs=1e-5)
