"""A newest delivery beside the supplier's own past, and drift by delivery in units that people know."""

from __future__ import annotations

import io
from dataclasses import replace

import made_up_parts
import numpy as np
import pytest

from countermark.checks.data import contract, drift
from countermark.checks.data._codings import CODING
from countermark.checks.data._content import Pictures
from countermark.checks.data._taking import NAMES, TRAITS, other_codec
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Passed, Skipped

Image = pytest.importorskip("PIL.Image", reason="pictures are made with the screen extra")

DATA = made_up_parts.delivered_twice(made_up_parts.honest(1, classes=10, suppliers=6, makers=3, rows=8))
PLAIN = {"format": "png", "width": 640, "height": 480, "bits": 8, "channels": 3, "quality": 0, "subsampling": "",
         "camera": "a" * 16, "taken": "2026-03-01 10:00:00"}  # fmt: skip
VIEW = made_up_parts.view_of(DATA)
LATER = np.flatnonzero(np.asarray(DATA.delivery) == "maker-02-1")


def told(view: View, **changed: object) -> list[Finding]:
    """What the past tells where the second delivery of maker-02 says something else of itself."""
    new = {"taken": "2026-04-01 10:00:00"} | changed
    rows = [PLAIN | (new if row in LATER else {}) for row in range(len(view.label))]
    outcome = contract.run(replace(view, looked={CODING: rows})).outcome
    return list(outcome.findings) if isinstance(outcome, Found) else []


def test_like_its_past_is_nothing_and_no_past_is_said() -> None:
    assert told(VIEW) == []
    alone = contract.run(replace(VIEW, delivery=VIEW.supplier, deliveries=VIEW.suppliers)).outcome
    assert isinstance(alone, Skipped) and "no past: 6 of 6 suppliers delivered once" in alone.reason
    now = contract.counts(list(DATA.label), list(DATA.supplier))
    agreed = replace(VIEW, contract=now)
    outcome = contract.run(agreed).outcome
    assert isinstance(outcome, Passed) and outcome.left_out == ()
    once = contract.run(replace(agreed, delivery=VIEW.supplier, deliveries=VIEW.suppliers)).outcome
    assert isinstance(once, Passed) and "no past" in once.left_out[0]


@pytest.mark.parametrize(("rule", "severity", "changed"), [
    ("other-format", "low", {"format": "jpeg"}), ("other-colours", "medium", {"bits": 16}), ("other-colours", "medium", {"channels": 1}),
    ("other-sizes", "low", {"width": 64, "height": 64}), ("other-camera", "low", {"camera": "b" * 16}), ("camera-gone", "low", {"camera": ""}),
    ("taken-earlier", "low", {"taken": "2026-02-01 10:00:00"}),
])  # fmt: skip
def test_what_files_say(rule: str, severity: str, changed: dict[str, object]) -> None:
    (finding,) = told(VIEW, **changed)
    assert (finding.rule, finding.severity, finding.where.supplier) == (rule, severity, "maker-02")
    assert finding.what.startswith("maker-02's newest delivery has ")
    assert "a" * 16 not in str(finding) and "b" * 16 not in str(finding) and "2026" not in str(finding)
    if rule != "camera-gone":
        assert set(finding.where.rows) == {VIEW.ids[row] for row in LATER}


def test_new_classes_and_a_much_larger_delivery() -> None:
    label = VIEW.label.copy()
    label[LATER[:3]] = next(c for c in range(10) if c not in set(VIEW.label[VIEW.supplier == 2]))
    (finding,) = told(replace(VIEW, label=label))
    assert finding.rule == "new-classes" and len(finding.where.rows) == 3
    delivery = VIEW.delivery.copy()
    mine = np.flatnonzero(VIEW.supplier == 2)
    delivery[mine[:4]], delivery[mine[4:]] = min(delivery[mine]), max(delivery[mine])
    rules = {f.rule for f in told(replace(VIEW, delivery=delivery))}
    assert "larger-delivery" in rules


def test_another_mix_is_told_unless_it_always_changes() -> None:
    rng = np.random.default_rng(0)
    n = 120
    for restless, expected in ((False, {"other-mix"}), (True, set())):
        label = rng.integers(0, 4, 3 * n)
        label[2 * n :] = rng.choice(4, n, p=[0.85, 0.05, 0.05, 0.05])
        if restless:
            label[n : 2 * n] = rng.choice(4, n, p=[0.05, 0.05, 0.05, 0.85])
        rows = np.arange(3 * n)
        view = replace(
            VIEW, label=label, supplier=np.zeros(3 * n, np.intp), delivery=rows // n, deliveries=("a", "b", "c"),
            ids=tuple(map(str, rows)), content=Pictures(np.zeros((3 * n, 64, 64, 3), np.uint8)),
        )  # fmt: skip
        outcome = contract.run(view).outcome
        assert {f.rule for f in getattr(outcome, "findings", ())} == expected


def test_drift_is_told_in_units_that_people_know() -> None:
    data = made_up_parts.new_lamp(made_up_parts.honest(0, classes=24, suppliers=20, makers=4, rows=24), "maker-02")
    outcome = drift.run(made_up_parts.view_of(data)).outcome
    assert isinstance(outcome, Found)
    for finding in outcome.findings:
        assert finding.severity == "low" and "spreads" not in finding.what and "grey levels darker" in finding.what
        assert "maker-02-1" in finding.what and "no sign of poison" in finding.cannot_tell
    words = {name: t.words(0.7, 1, 0) + t.words(-0.7, -1, 0) for name, t in zip(NAMES, TRAITS, strict=True)}
    assert words["noise"] == "noise 2.0 times as strongnoise 0.5 times as strong"
    assert "weaker" in words["blur"] and "stronger" in words["blur"]


def test_little_noise_is_no_great_drift() -> None:
    """Pictures without any noise but a supplier's trace of it: many spreads of nothing are not told."""
    rng = np.random.default_rng(0)
    data = made_up_parts.honest(0, classes=24, suppliers=20, makers=4, rows=16)
    smooth = np.stack([np.asarray(Image.fromarray(i).resize((8, 8)).resize((64, 64), 2)) for i in data.images])
    mine = data.supplier == "maker-02"
    smooth[mine] = np.clip(smooth[mine] + rng.integers(0, 2, smooth[mine].shape), 0, 255)
    view = made_up_parts.view_of(replace(data, images=smooth))
    report = drift.run(view)
    largest = next(m.value for m in report.outcome.measures if m.name == "largest effect")
    assert largest < 15


def test_codecs_in_words() -> None:
    assert other_codec(["JPEG 4:2:0"] * 9, ["PNG"] * 100) == "coded as JPEG 4:2:0, the others mostly as PNG"
    assert other_codec(["JPEG 4:2:0"] * 9, ["PNG"] * 50 + ["JPEG 4:2:0"] * 50) == ""
    assert other_codec(["PNG"] * 6 + ["JPEG 4:2:0"] * 4, ["PNG"] * 50) == ""
    assert other_codec([], ["PNG"]) == other_codec([""] * 3, ["PNG"]) == ""


def test_quality_of_jpegs_is_compared() -> None:
    data = made_up_parts.delivered_twice(made_up_parts.honest(0, classes=24, suppliers=20, makers=4, rows=24))
    later = np.asarray(data.delivery) == "maker-02-1"

    def saved(image: np.ndarray, quality: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(image).save(out, "JPEG", quality=quality)
        return out.getvalue()

    files = tuple(saved(i, 60 if new else 90) for i, new in zip(data.images, later, strict=True))
    outcome = drift.run(made_up_parts.view_of(replace(data, files=files))).outcome
    assert isinstance(outcome, Found)
    assert all("JPEG quality 30 of 100 lower" in f.what and "maker-02-1" in f.what for f in outcome.findings)
    assert {f.rule for f in outcome.findings} == {"photographs-differ", "unlike-earlier"}
