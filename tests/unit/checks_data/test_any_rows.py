"""What screening pictures has learnt holds for rows of tables and clips: single rows are explained, deliveries and gaps compared."""

from __future__ import annotations

from dataclasses import replace

import made_up_parts
import made_up_sounds
import made_up_tables as made
import numpy as np
import pytest

from countermark.checks.data import battery, drift
from countermark.checks.data._content import Trait, Traits
from countermark.checks.data._effects import effects_of
from countermark.checks.data.screen_signals import screen_signals
from countermark.checks.data.screen_table import screen_table
from countermark.finding import Found, Passed

HONEST = made.honest(1, suppliers=16)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandera, whose tests are `test_schema.py`."""
    monkeypatch.setattr(battery, "CHECKS", tuple(c for c in battery.CHECKS if c.id != "data/schema"))


def test_a_row_of_a_table_is_explained_by_the_checks_of_its_kind() -> None:
    data = made.flipped(HONEST, "lab-03", share=0.5)
    result = screen_table(data.table())
    row = int(np.flatnonzero(result.row_flagged & data.planted)[0])
    told = result.explain(row)
    assert told.flagged and told.supplier.named and {c.check for c in told.checks} == set(result.checks)
    (labels,) = (c for c in told.checks if c.check == "data/label-errors")
    assert labels.set_aside and labels.operating and labels.precision is not None and labels.precision > 0.8
    assert told.label == data.label[row] and told.heads[0].likely[0][0] != told.label
    assert not any("picture" in line for line in told.cannot_tell)
    assert "rows flagged" in result._repr_html_() and "columns on robust scales" in result._repr_html_()


def test_a_clip_is_explained_and_can_be_seen() -> None:
    data = made_up_sounds.honest(1, suppliers=12, seconds=0.25)
    result = screen_signals(list(data.clips), list(data.label), list(data.supplier), rate=made_up_sounds.RATE)
    told = result.explain(5)
    assert told.typical is not None and told.supplier.supplier == data.supplier[5]
    seen = result.seen.content.thumbnails(np.array([5, told.typical]))
    assert seen is not None and seen.shape == (2, 64, 96, 3)


def test_single_rows_that_repeat_by_nature_were_not_looked_at() -> None:
    rng = np.random.default_rng(5)
    data = {
        "a": rng.integers(40, size=800), "b": rng.integers(8, size=800), "label": rng.choice(["x", "y"], 800),
        "supplier": np.repeat([f"s{i:02}" for i in range(20)], 40),
    }  # fmt: skip
    (line,) = (line for line in screen_table(data).explain(3).not_looked if "duplicates" in line)
    assert "by nature" in line


def test_a_delivery_of_a_table_is_compared_with_the_past_and_told_as_columns() -> None:
    later = np.arange(len(HONEST.label)) % 2 == 1
    moved = later & (HONEST.supplier == "lab-03")
    numbers = HONEST.numbers.copy()
    numbers[moved, 2] += 4 * np.nanstd(numbers[:, 2])
    names = tuple(f"{s}-{n}" for s in np.unique(HONEST.supplier) for n in (0, 1))
    code = np.array([names.index(f"{s}-{int(n)}") for s, n in zip(HONEST.supplier, later, strict=True)])
    honest, drifting = (
        replace(made.view_of(data), delivery=code, deliveries=names)
        for data in (HONEST, made.replace(HONEST, numbers=numbers))
    )
    assert isinstance(drift.run(honest).outcome, Passed)
    outcome = drift.run(drifting).outcome
    assert isinstance(outcome, Found)
    assert {f.rule for f in outcome.findings} == {"values-differ", "unlike-earlier"}
    assert all("lab-03-1: " in f.what.replace(" delivers other values", "").replace(" is unlike the earlier ones", "")
               and "column x02: mean shifted by" in f.what for f in outcome.findings)  # fmt: skip


def test_effects_of_rows_without_a_value_are_those_of_the_others() -> None:
    view = made_up_parts.view_of(made_up_parts.honest(0))
    rng = np.random.default_rng(3)
    values, gone = rng.normal(size=(len(view.label), 2)), rng.random(len(view.label)) < 0.3
    values[:, 1] = values[:, 0]
    values[gone, 1] = np.nan
    each = (Trait(False, lambda d, _, __: f"{d}"),) * 2
    rows, whom = np.flatnonzero(view.supplier == 2), view.supplier != 2
    whole = effects_of(view, Traits(values, each), [(rows, whom)], least=1)
    kept = effects_of(view, Traits(values, each), [(rows[~gone[rows]], whom & ~gone)], least=1)
    assert whole.difference[0, 1] == pytest.approx(kept.difference[0, 1])
    assert kept.difference[0, 0] == pytest.approx(kept.difference[0, 1]) and np.isfinite(whole.spreads).all()
