"""Recall: the training set is composed as the ledger stood then; where it cannot be, at most what stood is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World

from countermark.keys.document import TrustDocument
from countermark.lifecycle import book, recall, rows, withdraw
from countermark.lifecycle.recall import Touched
from countermark.lifecycle.receive import receive
from countermark.statement.predicates import delivery, training
from countermark.statement.predicates.training import Training
from countermark.statement.statement import EVERYBODY, Statement


def trains(document: TrustDocument) -> TrustDocument:
    parties = tuple(replace(p, roles=(*p.roles, "trainer")) if p.id == OWNER else p for p in document.parties)
    return replace(document, parties=parties)


@pytest.fixture
def small(tmp_path: Path) -> World:
    world = small_release.make(tmp_path / "small")
    world.amend(trains)
    second, _ = world.delivered(world.parts("second"))
    receive(world[OWNER], second)
    return world


def trained(world: World, model: str, dataset: str = "") -> None:
    """A training statement over what training may see now, or over another dataset."""
    desk = world[OWNER]
    seen = dataset or rows.select(desk, rows.listed(desk)).tree().digest
    said = Training(
        desk.context(EVERYBODY), OWNER, "0" * 64, {}, ("train",), {"train": seen}, "not hermetic", ("a test",), {}, {}, {},
        desk.stamp(), desk.stamp(),
    )  # fmt: skip
    book.enter(desk, desk.trust(), [desk.sign(Statement("model", model, training.TYPE, said.to_json()))])


def touched(world: World) -> list[Touched]:
    return list(recall.recall(world[OWNER], supplier=SUPPLIER).models)


def test_what_was_withdrawn_before_a_training_was_not_learned(small: World) -> None:
    desk = small[OWNER]
    trained(small, "1" * 64)
    first, second = book.entered(desk, delivery.TYPE)
    withdraw.withdraw(desk, [second], "not theirs")
    trained(small, "2" * 64)
    before, after = touched(small)
    assert before.exact and after.exact
    assert {r.partition("/")[0] for r in before.rows} == {s.envelope.digest[:12] for s in (first, second)}
    assert {r.partition("/")[0] for r in after.rows} == {first.envelope.digest[:12]}


def test_a_withdrawn_quarantine_sets_nothing_aside(small: World) -> None:
    desk = small[OWNER]
    every = rows.listed(desk)
    slip = rows.quarantine(desk, [every[0].id], reason="a mistake", screening=None, dataset="0" * 64)
    assert len(rows.select(desk, every).rows) == len(every) - 1
    trained(small, "1" * 64)
    withdraw.withdraw(desk, [slip], "the row is fine")
    assert len(rows.select(desk, every).rows) == len(every)
    trained(small, "2" * 64)
    before, after = touched(small)
    assert before.exact and after.exact
    assert set(after.rows) - set(before.rows) == {every[0].id}


def test_a_training_set_that_no_state_of_the_ledger_gives_is_told_at_most(small: World) -> None:
    trained(small, "1" * 64, dataset="f" * 64)
    (only,) = touched(small)
    assert not only.exact
    assert set(only.rows) == {row.id for row in rows.listed(small[OWNER])}
