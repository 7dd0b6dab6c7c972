"""What a screening's last line says of the rows that it flagged, and of the checks that could not look."""

from __future__ import annotations

import pytest

from countermark.cli import _screened
from countermark.cli._show import figure
from countermark.finding import Failed, Found, Passed, Skipped


@pytest.mark.parametrize(
    ("aside", "flagged", "words"),
    [(0, 0, "none set aside yet"), (0, 9, "none set aside yet"), (7, 9, "7 of them set aside"), (9, 9, "all of them set aside")],
)  # fmt: skip
def test_rows_that_are_set_aside_already_are_told_as_such(aside: int, flagged: int, words: str) -> None:
    assert _screened._set_aside(aside, flagged) == words


def test_checks_that_could_not_look_are_named_and_many_are_counted() -> None:
    looked = {"data/drift": Passed(()), "data/spectral": Found((), ())}
    assert _screened._blind(looked | {"data/contract": Skipped("none was given")}) == "data/contract"
    two = looked | {"data/contract": Skipped("none was given"), "data/schema": Failed("out of memory")}
    assert _screened._blind(two) == "data/contract and data/schema"
    assert _screened._blind({str(n): Skipped("too few rows") for n in range(4)}) == "4 checks"


@pytest.mark.parametrize(
    ("value", "words"), [(4000.0, "4,000"), (0.0, "0"), (0.85249, "0.852"), (7.15e-21, "7.15e-21"), (203_896, "203,896")]
)  # fmt: skip
def test_counts_are_told_in_full(value: float, words: str) -> None:
    assert figure(value) == words
