"""The public call."""

from __future__ import annotations

import made_up_parts
import numpy as np
import pytest

from countermark.checks.data import battery, contract
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._given import Known
from countermark.checks.data._view import View
from countermark.checks.data.battery import CHECKS, looked_away, run_checks, screen
from countermark.checks.data.screening import Screening
from countermark.engines.engine import InProcess
from countermark.errors import Unusable
from countermark.finding import Failed, Found, Passed, outcome_to_json

DATA = made_up_parts.stamped(made_up_parts.honest(0), "maker-03", "part-03")


@pytest.fixture(scope="module")
def result() -> Screening:
    return screen(DATA.images, list(DATA.label), list(DATA.supplier), seed=3)


def test_it_names_the_supplier_the_cell_and_the_rows(result: Screening) -> None:
    assert result.named == ("maker-03",)
    assert [(c.supplier, c.label) for c in result.cells if c.named] == [("maker-03", "part-03")]
    assert (result.row_flagged == DATA.planted).all()
    assert "carry one pattern" in next(s.why for s in result.suppliers if s.named)
    assert result.row_p.dtype == np.float64 and ((result.row_p > 0) & (result.row_p <= 1)).all()
    assert result.row_p[DATA.planted].max() < 0.05


def test_every_check_reports_with_id_version_and_code(result: Screening) -> None:
    assert tuple(result.checks) == tuple(c.id for c in CHECKS if "pictures" in c.of)
    assert tuple(result.not_applicable) == ("data/schema",)
    assert all(len(r.code) == 64 and r.version >= 1 and r.id == name for name, r in result.checks.items())
    assert len({r.code for r in result.checks.values()}) == len(CHECKS) - 1
    assert all(outcome_to_json(r.outcome)["outcome"] for r in result.checks.values())
    assert {line.split(":")[0] for line in looked_away(result)} == {
        "data/contract", "data/image-scaling", "data/picture-integrity", "data/privacy",
    }  # fmt: skip


def test_findings_carry_what_people_need(result: Screening) -> None:
    assert 0 < len(result.top) <= 10
    for finding in result.findings:
        assert finding.where.rows and finding.where.supplier == "maker-03"
        assert "does not prove intent" in finding.cannot_tell
        assert all(result.exhibits[digest].startswith(b"\x89PNG") for digest in finding.exhibits)
    assert "maker-03" in result._repr_html_()
    assert "data/label-errors" in {c.check for c in result.explain(0).checks}


def test_same_seed_same_result_on_every_engine(result: Screening) -> None:
    again = screen(DATA.images, list(DATA.label), list(DATA.supplier), seed=3, engine=InProcess())
    assert (again.row_p == result.row_p).all()
    assert again.findings == result.findings and again.exhibits == result.exhibits


def test_progress_ends_at_one() -> None:
    seen: list[tuple[str, float]] = []
    small = made_up_parts.honest(0, classes=3, suppliers=3, makers=2, rows=3)
    outcome = screen(
        small.images[..., 0], list(small.label), list(small.supplier), progress=lambda s, d: seen.append((s, d))
    )
    assert seen[-1] == ("done", 1.0) and all(0 <= d <= 1 for _, d in seen)
    assert outcome.abstained == ("part-00", "part-01", "part-02")
    assert outcome.named == ()


def test_bad_input() -> None:
    images, label, supplier = DATA.images[:4], ["a", "a", "b", "b"], ["x", "y", "x", "y"]
    for bad in (
        lambda: screen(images.astype(float), label, supplier),
        lambda: screen(images[:3], label, supplier),
        lambda: screen(images[:0], [], []),
        lambda: screen(images[:, :4, :4], label, supplier),
        lambda: screen(images, ["a"] * 4, supplier),
        lambda: screen(images, label, ["x"] * 4),
        lambda: screen(images, label, supplier, model=object()),
        lambda: screen(images, label, supplier, ids=["1", "1", "2", "3"]),
    ):
        with pytest.raises(Unusable):
            bad()


def test_a_check_that_breaks_is_failed_not_clean() -> None:
    def broken(view: View) -> CheckReport:
        raise np.linalg.LinAlgError("singular")

    view = made_up_parts.view_of(made_up_parts.honest(0, classes=3, suppliers=3, makers=2, rows=3))
    reports = run_checks(view, [Check("data/broken", 1, broken), CHECKS[0]])
    assert reports["data/broken"].outcome == Failed("LinAlgError: singular")
    assert reports[CHECKS[0].id].outcome.word == "skipped"


def test_larger_and_smaller_pictures_are_brought_to_size() -> None:
    from countermark.checks.data._pixels import at_side

    wide = np.zeros((2, 100, 200, 3), np.uint8)
    wide[:, :, 100:] = 200
    sized = at_side(wide)
    assert sized.shape == (2, 64, 64, 3)
    assert (sized[:, :, :32] == 0).all() and (sized[:, :, 32:] == 200).all()
    assert (at_side(np.full((1, 16, 16, 3), 7, np.uint8)) == 7).all()
    assert battery.WORKERS >= 1


def test_decisions_count_against_the_contract_as_they_stand() -> None:
    data = made_up_parts.honest(0)
    labels = list(map(str, data.label))
    other = next(c for c in sorted(set(labels)) if c != labels[0])
    agreed = contract.counts([other, *labels[1:]], list(data.supplier))
    breach = screen(data.images, labels, list(data.supplier), contract=agreed)
    assert isinstance(breach.checks["data/contract"].outcome, Found)
    relabelled = screen(data.images, [other, *labels[1:]], list(data.supplier), contract=agreed, known=Known(labels))
    rejected = screen(
        data.images,
        labels,
        list(data.supplier),
        contract=agreed,
        known=Known(aside=[True] + [False] * (len(labels) - 1)),
    )
    for result in (relabelled, rejected):
        assert isinstance(result.checks["data/contract"].outcome, Passed)
