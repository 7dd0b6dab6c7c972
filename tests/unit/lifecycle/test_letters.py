"""Letters, answers to them, and all that is known of a supplier: found by a real screening of made-up pictures."""

from __future__ import annotations

from pathlib import Path

import made_up_parts
import many_deliveries
import numpy as np
import pytest
from core_world import OWNER, World

from countermark.errors import NothingToVerify, StatementRefused, TrustRefused, Unusable
from countermark.lifecycle import book, letters, review, rows
from countermark.lifecycle.screen import screen
from countermark.lifecycle.trace import trace
from countermark.statement.predicates.dispute import DISPUTE, MOST_WORDS, Dispute
from countermark.statement.statement import Statement

GUILTY, OTHER = "maker-03", "maker-04"


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Eight suppliers; one has stamped its whole cell of a part; screened, and its flagged rows set aside."""
    place = tmp_path_factory.mktemp("letters")
    data = made_up_parts.stamped(made_up_parts.honest(0), GUILTY, "part-03")
    makers = sorted(set(data.supplier))
    world = many_deliveries.join(place / "world", makers, set(data.label))
    for maker in makers:
        folder = many_deliveries.photographed(place / maker, data, maker, np.flatnonzero(data.supplier == maker))
        many_deliveries.send(world, maker, folder)
    done = screen(world[OWNER])
    rows.quarantine(
        world[OWNER], done.flagged(), reason="as screened", screening=done.slip.envelope.digest, dataset=done.dataset
    )
    return world


@pytest.fixture
def letter(screened: World, tmp_path: Path) -> Path:
    listed = review.suspects(screened[OWNER])
    (envelope,) = review.letter(screened[OWNER], GUILTY, listed)
    file = tmp_path / "letter.json"
    file.write_bytes(envelope.to_bytes())
    return file


def enter(world: World, *envelopes: object) -> None:
    desk = world[OWNER]
    book.enter(desk, desk.trust(), list(envelopes))  # type: ignore[arg-type]


def test_a_letter_is_read_by_its_addressee_alone(screened: World, letter: Path) -> None:
    shown, said = letters.read(screened[GUILTY], letter)
    assert shown.party.id == OWNER and len(said.rows) == 8
    assert {path.split("/")[0] for path, _ in said.rows} == {"part-03"}
    with pytest.raises(TrustRefused, match="addressed to maker-03"):
        letters.read(screened[OTHER], letter)


def test_what_a_supplier_disputes_is_seen_by_who_decides(screened: World, letter: Path) -> None:
    _, said = letters.read(screened[GUILTY], letter)
    path = said.rows[2][0]
    enter(screened, letters.dispute(screened[GUILTY], letter, [path], "a mark of our new rig"))
    (row,) = letters.disputed(screened[OWNER]).values()
    assert row.row.endswith(path) and row.supplier == GUILTY and row.says == "a mark of our new rig"
    (suspect,) = [s for s in review.suspects(screened[OWNER]) if s.row.id == row.row]
    assert f"disputed by {GUILTY}: a mark of our new rig" in suspect.seen


def test_nobody_disputes_for_somebody_else(screened: World, letter: Path) -> None:
    _, said = letters.read(screened[GUILTY], letter)
    desk, left_out = screened[OTHER], list[str]()
    lie = Dispute(desk.context(OWNER), "0" * 64, said.delivery, (said.rows[0][0],), "all is well")
    envelope = desk.sign(Statement("dispute", said.delivery, DISPUTE, lie.to_json()))
    enter(screened, envelope)
    assert all(d.supplier != OTHER for d in letters.disputed(screened[OWNER], left_out).values())
    assert left_out == [f"statement {envelope.digest[:16]} does not count: {OTHER} did not deliver these rows"]


def test_disputes_are_about_rows_of_the_letter_and_say_why(screened: World, letter: Path) -> None:
    desk = screened[GUILTY]
    with pytest.raises(Unusable, match="not in this letter"):
        letters.dispute(desk, letter, ["part-03/other.png"], "words")
    for says in (" ", "x" * (MOST_WORDS + 1)):
        with pytest.raises(StatementRefused):
            letters.dispute(desk, letter, [], says)


def test_a_trace_tells_deliveries_findings_decisions_and_answers(screened: World) -> None:
    found = trace(screened[OWNER], GUILTY)
    assert [(d.state, d.rows) for d in found.deliveries] == [("admitted", 40)]
    assert found.seen is not None and found.seen.named is not None and found.seen.named["q"] < 0.05
    assert len(found.seen.flagged) == 8 and set(found.aside) == set(found.seen.flagged)
    assert "data/recurring-patch" in {check for check, _, _ in found.seen.findings}
    assert found.reached is not None and found.reached.models == ()
    honest = trace(screened[OWNER], OTHER)
    assert honest.seen is not None and honest.seen.named is None and honest.aside == () and honest.disputed == ()
    with pytest.raises(NothingToVerify, match="nobody"):
        trace(screened[OWNER], "nobody")


def test_disputes_are_parsed_strictly(screened: World) -> None:
    context = screened[GUILTY].context(OWNER).to_json()
    good = {"context": context, "letter": "0" * 64, "delivery": "1" * 64, "rows": ["a"], "says": "b"}
    assert Dispute.from_json(good).to_json() == good
    for change in ({"rows": []}, {"says": ""}, {"letter": "0"}, {"more": 1}):
        with pytest.raises(StatementRefused):
            Dispute.from_json(good | change)
