"""What single checks say beyond their good and bad fixtures."""

from __future__ import annotations

import io
from dataclasses import replace

import made_up_parts
import numpy as np
import pytest
from made_up_parts import MadeUp
from PIL import Image

from countermark.checks.data import (
    _lattice,
    cell_difference,
    contract,
    duplicates,
    image_scaling,
    label_errors,
    leave_one_supplier_out,
    recurring_patch,
)
from countermark.checks.data._exhibit import MAX_BYTES, strip
from countermark.checks.data._patterns import Windows, likeness, moving, still
from countermark.finding import Found, Passed, Skipped

SMALL = made_up_parts.honest(0)
MANY = made_up_parts.honest(0, classes=24, suppliers=20, makers=4)


def test_contract_is_skipped_without_one_and_told_apart() -> None:
    assert isinstance(contract.run(made_up_parts.view_of(SMALL)).outcome, Skipped)
    agreed = {"acme": {"nut": 3, "bolt": 2}}
    assert isinstance(contract.compare(agreed, {"acme": {"nut": 3, "bolt": 1}}), Passed)
    over = contract.compare(agreed, {"acme": {"nut": 4}, "stranger": {"nut": 1}})
    assert isinstance(over, Found)
    assert [(f.where.supplier, f.where.label) for f in over.findings] == [("acme", "nut"), ("stranger", "nut")]
    assert "4 rows, agreed 3" in over.findings[0].why


def test_the_contract_holds_suppliers_to_what_they_delivered_and_what_is_still_there() -> None:
    agreed = {"acme": {"nut": 3, "bolt": 2}}
    relabelled = contract.compare(agreed, {"acme": {"nut": 3, "bolt": 2}}, {"acme": {"nut": 2, "bolt": 3}})
    assert isinstance(relabelled, Passed), "the owner's decision is not the supplier's breach"
    assert {m.name: m.value for m in relabelled.measures}["cells over contract by decisions alone"] == 1
    swapped = {"acme": {"nut": 5, "bolt": 0}}
    mended = contract.compare(agreed, swapped, {"acme": {"nut": 3, "bolt": 2}})
    assert isinstance(mended, Passed), "what was over is not in that class any more"
    partly = contract.compare(agreed, swapped, {"acme": {"nut": 4, "bolt": 1}})
    assert isinstance(partly, Found) and "5 rows delivered, 4 in the data, agreed 3" in partly.findings[0].why
    assert isinstance(contract.compare(agreed, swapped), Found)


def test_near_duplicates_across_suppliers_and_groups() -> None:
    data = made_up_parts.copied(made_up_parts.copied(SMALL, 3, 5, noise=1.5), 3, 20)
    outcome = duplicates.run(made_up_parts.view_of(data)).outcome
    assert isinstance(outcome, Found) and len(outcome.findings) == 1
    finding = outcome.findings[0]
    assert finding.severity == "medium" and len(finding.where.rows) == 2 and ", " in finding.where.supplier


def test_copies_with_another_label_are_found_through_the_hash() -> None:
    data = made_up_parts.copied(SMALL, 3, 200)
    assert duplicates.run(made_up_parts.view_of(data)).suspects == (200,)


def test_too_weak_a_model_abstains() -> None:
    noise = np.random.default_rng(0).integers(0, 256, SMALL.images.shape).astype(np.uint8)
    data = SMALL.changed(noise, np.zeros(0, np.intp))
    for check in (label_errors, leave_one_supplier_out):
        outcome = check.run(made_up_parts.view_of(data)).outcome
        assert isinstance(outcome, Skipped) and "too weak to judge" in outcome.reason


def test_wrong_labels_spread_over_everybody_accuse_nobody() -> None:
    data = made_up_parts.relabelled(MANY, share=0.04)
    report = label_errors.run(made_up_parts.view_of(data))
    assert report.supplier_p is not None and report.supplier_p.min() > 0.0125
    assert isinstance(leave_one_supplier_out.run(made_up_parts.view_of(data)).outcome, Passed)


def test_a_drifting_supplier_is_drift_not_poison() -> None:
    report = leave_one_supplier_out.run(made_up_parts.view_of(made_up_parts.drifting(MANY, "maker-03")))
    assert isinstance(report.outcome, Passed) and report.suspects == ()
    drift = {m.name: m.value for m in report.outcome.measures}["suppliers that stand apart by drift alone"]
    assert drift == 1


@pytest.mark.parametrize("check", [cell_difference, recurring_patch])
def test_too_few_cells_are_skipped(check: object) -> None:
    data = made_up_parts.honest(0, classes=4, suppliers=4, makers=2)
    assert isinstance(check.run(made_up_parts.view_of(data)).outcome, Skipped)  # type: ignore[attr-defined]


def test_the_twin_of_a_poisoned_cell_is_not_accused() -> None:
    data = made_up_parts.stamped(made_up_parts.honest(0, classes=24, suppliers=12, makers=2), "maker-03", "part-03")
    view = made_up_parts.view_of(data)
    cells = list(view.cells)
    values = cell_difference.differences(view, cells, np.zeros(0, np.intp))
    of_class = {
        view.suppliers[s]: v for (s, c, _), v in zip(cells, values, strict=True) if view.classes[c] == "part-03"
    }
    assert of_class.pop("maker-03") > 0 > max(of_class.values())


def test_the_mined_patch_is_localised_and_shown() -> None:
    data = made_up_parts.stamped(SMALL, "maker-03", "part-03")
    report = recurring_patch.run(made_up_parts.view_of(data))
    assert isinstance(report.outcome, Found)
    finding = report.outcome.findings[0]
    x, y = (int(word.rstrip(",")) for word in finding.what.split(" x ")[1].replace("y ", "").split(", "))
    assert 44 <= x <= 56 and 0 <= y <= 11
    assert len(finding.exhibits) == 2
    shown = Image.open(io.BytesIO(report.exhibits[finding.exhibits[1]])).convert("RGB")
    colours = np.asarray(shown).reshape(-1, 3)
    assert ((colours > 200).sum(axis=1) == 2).any()  # the trigger's yellow stands in the enlarged picture


def test_a_moving_pattern_is_found_in_every_row() -> None:
    data = made_up_parts.stamped(made_up_parts.honest(1), "maker-03", "part-03", moving=True)
    report = recurring_patch.run(made_up_parts.view_of(data))
    assert isinstance(report.outcome, Found) and report.outcome.findings[0].rule == "pattern-recurs"
    assert set(report.suspects) == set(np.flatnonzero(data.planted))


def test_the_print_of_a_part_that_one_supplier_alone_makes_accuses_nobody() -> None:
    data = made_up_parts.stamped(made_up_parts.honest(1), "maker-03", "part-03", moving=True)
    kept = (data.label != "part-03") | (data.supplier == "maker-03")
    alone = MadeUp(data.images[kept], data.label[kept], data.supplier[kept], data.planted[kept])
    outcome = recurring_patch.run(made_up_parts.view_of(alone)).outcome
    assert isinstance(outcome, Passed) and "may be the part's own" in outcome.left_out[-1]


def test_still_and_moving_of_plain_pictures() -> None:
    flat = np.full((6, 64, 64, 3), 90, np.uint8)
    value, x, y = still(flat)
    assert value < 1e-3 and 0 <= x <= 56 and 0 <= y <= 56
    assert likeness(flat, x, y).max() == 0
    windows = Windows.of(flat)
    assert moving(windows, [windows.take(np.zeros(0, np.intp)), windows]).gain == 0


@pytest.mark.parametrize("sampler", ["corner", "centre", "bilinear"])
@pytest.mark.parametrize("region", [5, 64])
def test_scaling_attacks(sampler: str, region: int) -> None:
    large = made_up_parts.enlarged(made_up_parts.honest(0, classes=2, suppliers=2, makers=2, rows=2))
    bad = made_up_parts.hidden_by_scaling(large, np.array([1, 4]), region=region, sampler=sampler)
    assert image_scaling.run(made_up_parts.view_of(bad)).suspects == (1, 4)


def test_scaling_of_pictures_at_the_model_size() -> None:
    view = made_up_parts.view_of(SMALL)
    unknown = image_scaling.run(view).outcome
    assert isinstance(unknown, Skipped) and "64 x 64" in unknown.reason
    sizes = np.full((len(view.label), 2), 64)
    assert isinstance(image_scaling.run(replace(view, sizes=sizes)).outcome, Passed)
    sizes[5] = (64, 300)
    shrunk = image_scaling.run(replace(view, sizes=sizes)).outcome
    assert isinstance(shrunk, Skipped) and shrunk.reason.startswith("1 pictures were scaled down")
    assert _lattice.shapes(100, 100) == ((28, 28), (32, 32), (48, 48))


@pytest.mark.parametrize("side", [8, 64, 300])
def test_exhibits_fit(side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, side, side, 3)).astype(np.uint8)
    digest, png = strip(noise)
    assert len(png) <= MAX_BYTES and len(digest) == 64
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_cells_and_rows_that_nobody_else_makes_are_told() -> None:
    data = made_up_parts.honest(0, classes=24, suppliers=20, makers=4)
    alone = np.flatnonzero(data.label == data.label[0])
    first = data.supplier == data.supplier[alone[0]]
    kept = np.flatnonzero((data.label != data.label[0]) | first)
    view = made_up_parts.view_of(MadeUp(data.images[kept], data.label[kept], data.supplier[kept], data.planted[kept]))
    cells, left = cell_difference.run(view).outcome, leave_one_supplier_out.run(view).outcome
    assert "1 of" in cells.left_out[0] and "not compared" in cells.left_out[0]
    assert str(int((first & (data.label == data.label[0])).sum())) in left.left_out[0]
