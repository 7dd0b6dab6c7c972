"""Recall: the training set is composed as the ledger stood then; where it cannot be, at most what stood is told."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import small_release
from core_world import OWNER, SECOND, SUPPLIER, World, private_key

from countermark.keys.document import TrustDocument
from countermark.lifecycle import book, enrol, license_evidence, license_kept, license_lists, recall, rows, withdraw
from countermark.lifecycle import license as licence
from countermark.lifecycle.recall import Touched
from countermark.lifecycle.receive import receive
from countermark.statement.predicates import delivery, training
from countermark.statement.predicates.licence_claims import Claims, Subject
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


def licensing_parties(world: World) -> None:
    """The owners and the supplier, who becomes a licensee, get licence keys."""
    for name in (OWNER, SECOND, SUPPLIER):
        private_key(name, "licence").save(world[name].space.folder("keys") / "licence.pem")
        file, held = enrol.enrolment(world[name]), world[name].trust().document.party(name)
        world.amend(lambda d, f=file, h=held: d.with_party(f.party(h.roles, h.scope)))
    world.amend(
        lambda d: replace(
            d, parties=tuple(replace(p, roles=(*p.roles, "licensee")) if p.id == SUPPLIER else p for p in d.parties)
        )
    )


def licensed(world: World, model: str, days: int = 30, **more: object) -> str:
    """A licence that the owner grants the supplier for a model; its digest."""
    desk = world[OWNER]
    end = (desk.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    claims = Claims(licence.licensee(desk, SUPPLIER), Subject(model), desk.stamp(), end, uses=frozenset({"infer"}))
    return licence.grant(desk, replace(claims, **more))[-1].digest  # type: ignore[arg-type]


def test_licensees_of_a_touched_model_are_named_with_where_their_licence_stands(small: World) -> None:
    licensing_parties(small)
    trained(small, "1" * 64)
    assert touched(small)[0].licences == ()
    stands, gone, waits = (
        licensed(small, "1" * 64),
        licensed(small, "1" * 64, 60),
        licensed(small, "1" * 64, 90, co_signers=frozenset({SECOND})),
    )
    other = licensed(small, "2" * 64)
    license_lists.revoke(small[OWNER], [gone])
    (only,) = touched(small)
    assert {(one.party, one.licence, one.revoked, one.whole) for one in only.licences} == {
        (SUPPLIER, stands, False, True), (SUPPLIER, gone, True, True), (SUPPLIER, waits, False, False),
    }  # fmt: skip
    assert other not in {one.licence for one in only.licences}
    known = license_evidence.evidence(small[OWNER], "1" * 64)
    assert [(one["statement"], one["licensee"], one["host"], one["sealed"]) for one in known] == [
        (stands, SUPPLIER, "denied", False)
    ]
    small.clock.move(days=31)
    assert license_evidence.evidence(small[OWNER], "1" * 64) == []


def test_the_command_names_them(small: World, capsys: pytest.CaptureFixture[str]) -> None:
    from countermark.cli.main import run

    licensing_parties(small)
    trained(small, "1" * 64)
    digest = licensed(small, "1" * 64)
    license_lists.revoke(small[OWNER], [digest])
    assert run(["recall", "--supplier", SUPPLIER, "--workspace", str(small[OWNER].space.root)]) == 1
    told = capsys.readouterr().out
    assert digest[:16] in told and "revoked" in told and "another licensor's licensees" in " ".join(told.split())


def test_a_kept_licence_that_was_changed_is_told_and_names_nobody(small: World) -> None:
    licensing_parties(small)
    trained(small, "1" * 64)
    licensed(small, "1" * 64)
    ((_, file),) = license_kept.granted(small[OWNER])
    envelope = json.loads(file.read_bytes())
    envelope["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    file.write_bytes(json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    found = recall.recall(small[OWNER], supplier=SUPPLIER)
    assert found.models[0].licences == ()
    assert any(line.startswith("licence ") for line in found.not_looked_at)
