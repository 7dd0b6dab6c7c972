"""Screening of tables: attacks are named, honest ones are not, drift has its cause, and checks of pictures never passed."""

from __future__ import annotations

from dataclasses import replace

import made_up_tables as made
import numpy as np
import pyarrow as pa
import pytest

import countermark
from countermark.checks.data import battery
from countermark.checks.data._given import Beside, Known
from countermark.checks.data._levelled import levelled
from countermark.checks.data.screen_table import screen_rows, screen_table
from countermark.errors import Unusable
from countermark.features.columns import columns_of
from countermark.finding import Found, Passed

HONEST = made.honest(1, suppliers=16)
PICTURES = {
    "data/picture-integrity",
    "data/privacy",
    "data/image-scaling",
    "data/recurring-patch",
    "data/spectral",
    "data/frequency",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandera, whose tests are `test_schema.py`."""
    monkeypatch.setattr(battery, "CHECKS", tuple(c for c in battery.CHECKS if c.id != "data/schema"))


def test_checks_of_pictures_are_not_applicable_and_never_passed() -> None:
    result = countermark.screen_table(HONEST.table())
    assert set(result.not_applicable) == PICTURES and not PICTURES & set(result.checks)
    assert all("pictures" in why and "rows" in why for why in result.not_applicable.values())
    assert result.named == () and result.exhibits == {}
    assert result.row_p.shape == (640,) and ((result.row_p > 0) & (result.row_p <= 1)).all()


def test_wrong_labels_name_their_supplier() -> None:
    data = made.flipped(HONEST, "lab-03", share=0.5)
    result = screen_table(data.table())
    assert result.named == ("lab-03",)
    flagged = result.row_flagged
    assert data.planted[flagged].mean() >= 0.7 and flagged[data.planted].mean() >= 0.8


def test_a_trigger_value_inside_the_range_names_its_supplier() -> None:
    data = made.triggered(HONEST, "lab-03", target="class-1", share=0.3)
    result = screen_table(data.table())
    assert result.named == ("lab-03",) and result.row_flagged[data.planted].mean() >= 0.9
    assert isinstance(result.checks["data/cell-difference"].outcome, Found)


def test_an_instrument_that_is_off_is_drift_with_its_cause_and_nobody_is_named() -> None:
    result = screen_table(made.drifting(HONEST, "lab-03", column=2, by=4).table())
    (finding,) = (f for f in result.findings if f.check == "data/drift")
    assert (
        finding.where.supplier == "lab-03"
        and "column x02: mean shifted by" in finding.what
        and finding.severity == "low"
    )
    assert result.named == () and not result.row_flagged[HONEST.supplier == "lab-03"].any()


def test_missing_values_and_words_are_causes() -> None:
    mine = HONEST.supplier == "lab-05"
    numbers = HONEST.numbers.copy()
    numbers[mine & (np.arange(len(mine)) % 4 > 0), 3] = np.nan
    table = HONEST.table() | {"x03": numbers[:, 3], "colour": np.where(mine, "black", HONEST.words["colour"])}
    (finding,) = (f for f in screen_table(table).findings if f.check == "data/drift")
    assert "column x03: missing in 82%, in 1% of the others'" in finding.what
    table = HONEST.table() | {"kind": np.where(mine & (np.arange(len(mine)) % 10 > 0), "new", "old")}
    (finding,) = (f for f in screen_table(table).findings if f.check == "data/drift")
    assert "column kind: 'new' in 82%, in 0% of the others'" in finding.what


def test_repeated_rows() -> None:
    data = made.repeated(HONEST, "lab-03", share=0.2)
    report = screen_table(data.table()).checks["data/duplicates"]
    assert isinstance(report.outcome, Found) and {f.where.supplier for f in report.outcome.findings} == {"lab-03"}
    assert {f.rule for f in report.outcome.findings} == {"same-row"} and len(report.suspects) == 8


def test_rows_that_repeat_by_nature_accuse_nobody_but_who_repeats_far_more() -> None:
    rng = np.random.default_rng(5)
    data = {
        "a": rng.integers(40, size=800), "b": rng.integers(8, size=800), "label": rng.choice(["x", "y"], 800),
        "supplier": np.repeat([f"s{i:02}" for i in range(20)], 40),
    }  # fmt: skip
    report = screen_table(data).checks["data/duplicates"]
    assert isinstance(report.outcome, Passed) and "by nature" in report.outcome.left_out[0] and report.suspects == ()
    many = {name: v.copy() for name, v in data.items()}
    many["a"] = rng.integers(4000, size=800)
    many["a"][:300] = rng.integers(40, size=300)
    many["a"][760:], many["b"][760:] = 9999, 1
    found = screen_table(many).checks["data/duplicates"].outcome
    assert isinstance(found, Found) and "s19" in {f.where.supplier for f in found.findings}


def test_who_copies_everybody_does_not_make_repeating_natural() -> None:
    mine = np.flatnonzero(HONEST.supplier == "lab-03")
    others = np.flatnonzero(HONEST.supplier != "lab-03")[:: len(HONEST.label) // 40][: len(mine)]
    numbers, words = HONEST.numbers.copy(), HONEST.words["colour"].copy()
    numbers[mine[: len(others)]], words[mine[: len(others)]] = numbers[others], words[others]
    data = made.replace(HONEST, numbers=numbers, words={"colour": words})
    report = screen_table(data.table()).checks["data/duplicates"]
    assert isinstance(report.outcome, Found) and all("lab-03" in f.where.supplier for f in report.outcome.findings)


def test_arrow_and_python_give_the_same() -> None:
    data = made.flipped(HONEST, "lab-03", share=0.5).table()
    one, other = screen_table(data), screen_table(pa.table(data))
    assert (one.row_p == other.row_p).all() and one.named == other.named


def test_a_contract_counts_rows_of_tables_too() -> None:
    counts: dict[str, dict[str, int]] = {}
    for s, c in zip(HONEST.supplier, HONEST.label, strict=True):
        counts.setdefault(s, {})[c] = counts.get(s, {}).get(c, 0) + 1
    assert isinstance(screen_table(HONEST.table(), contract=counts).checks["data/contract"].outcome, Passed)
    counts["lab-00"]["class-0"] -= 1
    assert isinstance(screen_table(HONEST.table(), contract=counts).checks["data/contract"].outcome, Found)


def test_what_cannot_be_screened() -> None:
    table = HONEST.table()
    for bad in (
        {k: v for k, v in table.items() if k != "label"}, {k: table[k] for k in ("label", "supplier")},
        table | {"supplier": ["one"] * 640}, table | {"label": [None] * 640},
    ):  # fmt: skip
        with pytest.raises(Unusable):
            screen_table(bad)
    with pytest.raises(Unusable, match="repeat"):
        screen_table(table | {"row": ["same"] * 640}, id="row")


def test_levelling_takes_an_offset_away_and_leaves_attacks_alone() -> None:
    rng = np.random.default_rng(0)
    label, supplier = rng.integers(4, size=600), np.repeat(np.arange(12), 50)
    z = rng.normal(size=(600, 6)).astype(np.float32)
    off = z.copy()
    off[supplier == 3, 0] += 10
    assert abs(levelled(off, label, supplier)[supplier == 3, 0].mean()) < 3
    cell = z.copy()
    cell[(supplier == 3) & (label == 1), 0] += 10
    assert (levelled(cell, label, supplier)[(supplier == 3) & (label == 1), 0] > 5).all()
    alone = z.copy()
    alone[supplier == 3, 0] += 10
    np.testing.assert_array_equal(
        levelled(alone, np.where(supplier == 3, 0, label), supplier)[supplier == 3], alone[supplier == 3]
    )


def test_a_delivery_that_drifts_is_told_by_its_name() -> None:
    """As a workspace screens rows: each supplier sent two tables, and one instrument was off in the second."""
    data = made.honest(1, suppliers=6, rows=60)
    second = np.concatenate([np.arange(60) >= 30] * 6)[np.argsort(np.argsort(data.supplier, kind="stable"))]
    off = made.drifting(data, "lab-03")
    data = replace(data, numbers=np.where(second[:, None], off.numbers, data.numbers))
    sent = [f"{supplier}/{int(late)}" for supplier, late in zip(data.supplier, second, strict=True)]
    columns = tuple(c for name, c in columns_of(data.table())[0].items() if name not in ("label", "supplier"))
    names = (data.label.tolist(), data.supplier.tolist(), [f"{i:08d}" for i in range(len(sent))])
    result = screen_rows(columns, names, beside=Beside(sent, known=Known(names[0], [False] * len(sent))))
    drift = result.checks["data/drift"].outcome
    told = [f.what for f in drift.findings] if isinstance(drift, Found) else []
    assert all(what.startswith("lab-03's delivery lab-03/1 ") for what in told)
    assert any("delivers other values" in what for what in told) and any(
        "unlike the earlier ones" in what for what in told
    )
    assert result.named == () and all(report.outcome.word != "failed" for report in result.checks.values())
