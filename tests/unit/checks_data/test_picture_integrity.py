"""data/picture-integrity: every trick is seen, and no honest file is."""

from __future__ import annotations

from dataclasses import replace

import made_up_parts
import numpy as np
import picture_tricks as tricks
import pytest

from countermark.checks.data import picture_integrity
from countermark.checks.data._check import CheckReport
from countermark.finding import Found, Passed, Skipped

SHOWN, SEEN = tricks.picture(1), tricks.picture(2)
DATA = made_up_parts.honest(0)
VIEW = made_up_parts.view_of(DATA)


def look(files: list[bytes]) -> CheckReport:
    padded = [*files, *[tricks.saved(SHOWN, "PNG")] * (len(VIEW.label) - len(files))]
    return picture_integrity.run(replace(VIEW, files=padded))


def test_without_files_it_is_skipped() -> None:
    assert isinstance(picture_integrity.run(VIEW).outcome, Skipped)


@pytest.fixture(scope="module")
def tricked() -> CheckReport:
    return look([build(SHOWN, SEEN) for build, _ in tricks.TRICKS.values()])


@pytest.mark.parametrize("name", tricks.TRICKS)
def test_every_trick_is_seen(name: str, tricked: CheckReport) -> None:
    row, rule = list(tricks.TRICKS).index(name), tricks.TRICKS[name][1]
    assert isinstance(tricked.outcome, Found)
    assert VIEW.ids[row] in {i for f in tricked.outcome.findings if f.rule == rule for i in f.where.rows}


def test_only_the_tricks_are_set_aside(tricked: CheckReport) -> None:
    assert tricked.suspects == tuple(range(len(tricks.TRICKS)))
    assert tricked.rows is not None and np.flatnonzero(tricked.rows).tolist() == list(tricked.suspects)


def test_no_honest_file_is_flagged() -> None:
    report = look(tricks.honest(len(VIEW.label)))
    assert isinstance(report.outcome, Passed), report.outcome
    left = " ".join(report.outcome.left_out)
    assert "by one decoder only" in left


def test_decoders_that_follow_different_markers_differ() -> None:
    pytest.importorskip("kornia_rs", reason="the second decoder is an extra")
    report = look([tricks.contradiction(SHOWN, SEEN), tricks.component_names(SHOWN, SEEN)])
    assert isinstance(report.outcome, Found)
    assert "decoders-differ" in {f.rule for f in report.outcome.findings}
