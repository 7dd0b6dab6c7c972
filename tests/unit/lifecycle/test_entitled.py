"""What a party may not say changes nothing: neither when it is handed in, nor where it entered before its role was taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World

from countermark import dsse
from countermark.artefact.folder import read_folder
from countermark.errors import NothingToVerify, StatementRefused, TrustRefused
from countermark.keys.document import TrustDocument
from countermark.lifecycle import acts, book, recall, review, rows
from countermark.lifecycle.release import judge, release
from countermark.statement.predicates import checked, training, verdict
from countermark.statement.predicates import rows as row_predicates
from countermark.statement.predicates.acts import REVOCATION, WAIVER, Revocations
from countermark.statement.predicates.checked import Checked
from countermark.statement.predicates.rows import DECISION, QUARANTINE, Decision, Quarantine
from countermark.statement.statement import EVERYBODY, Statement


@pytest.fixture
def small(tmp_path: Path) -> World:
    return small_release.make(tmp_path / "small")


def said(world: World, kind: str, predicate: dict[str, Any], digest: str = "0" * 64) -> dsse.Envelope:
    """A supplier's signed statement."""
    return world[SUPPLIER].sign(Statement("handed in", digest, kind, predicate))


def handed_in(world: World, envelope: dsse.Envelope) -> None:
    book.enter(world[OWNER], world[OWNER].trust(), [envelope])


def with_roles(*roles: str) -> Any:
    def change(document: TrustDocument) -> TrustDocument:
        parties = tuple(replace(p, roles=roles) if p.id == SUPPLIER else p for p in document.parties)
        return replace(document, parties=parties)

    return change


def revoked(world: World, **how: Any) -> tuple[int, ...]:
    """What the owners' next snapshot revokes."""
    envelope = acts.snapshot(world[OWNER], **how).envelope
    return Revocations.from_json(Statement.from_bytes(envelope.payload).predicate).entries


def test_nobody_hands_in_what_it_may_not_say(small: World) -> None:
    context = small[SUPPLIER].context(EVERYBODY)
    words = {
        REVOCATION: Revocations(context, 1, "0" * 64, 1, (0, 1), "2027-01-01T00:00:00Z").to_json(),
        DECISION: Decision(context, ("a/b",), "accept", None).to_json(),
        QUARANTINE: Quarantine(context, ("a/b",), "mine", None).to_json(),
        checked.SCREENING: {}, training.TYPE: {}, verdict.TYPE: {}, WAIVER: {},
    }  # fmt: skip
    for kind, predicate in words.items():
        envelope = said(small, kind, {"context": context.to_json()} | predicate)
        with pytest.raises(TrustRefused, match="acme may not say this"):
            handed_in(small, envelope)


def test_a_statement_that_nobody_can_read_is_not_entered(small: World) -> None:
    context = small[SUPPLIER].context(EVERYBODY).to_json()
    with pytest.raises(StatementRefused):
        handed_in(small, said(small, checked.INSPECTION, {"context": context}))


def test_a_former_owners_words_neither_revoke_nor_hide_what_was_revoked(small: World) -> None:
    assert revoked(small, revoke=[7]) == (7,)
    small.amend(with_roles("supplier", "data-owner"))
    context = small[SUPPLIER].context(EVERYBODY)
    handed_in(small, said(small, REVOCATION, Revocations(context, 1, "0" * 64, 1, (0,), "2027-01-01T00:00:00Z").to_json()))  # fmt: skip
    small.amend(with_roles("supplier"))
    small.clock.move(hours=1)
    assert revoked(small) == (7,)


def test_a_former_owners_words_stop_no_release_and_move_no_row(small: World) -> None:
    desk = small[OWNER]
    every = list(rows.all_rows(desk))
    small.amend(with_roles("supplier", "data-owner"))
    context = small[SUPPLIER].context(EVERYBODY)
    handed_in(small, said(small, row_predicates.QUARANTINE, Quarantine(context, (every[0].id,), "x", None).to_json()))
    screening = {"context": context.to_json(), "checks": {}, "facts": {"flagged": [every[0].id]}}
    handed_in(small, said(small, checked.SCREENING, screening))
    assert len(rows.select(desk, every).rows) == len(every) - 1
    assert review.newest_screening(desk)
    small.amend(with_roles("supplier"))
    assert len(rows.select(desk, every).rows) == len(every)
    with pytest.raises(NothingToVerify, match="nothing was screened"):
        review.newest_screening(desk)
    assert len(recall.recall(desk, supplier=SUPPLIER).not_looked_at) == 1
    model = small.root / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"weights")
    done = release(desk, model, small_release.POLICY)
    assert done.judged.admitted
    told = done.judged.gathered.evidence["not_looked_at"]
    assert sum("acme may not say this" in line for line in told) == 2


@pytest.mark.parametrize("kind", [checked.INSPECTION, checked.TRIAL])
def test_nobody_stands_in_for_whom_the_policy_asks(small: World, kind: str) -> None:
    """A supplier's inspection stood in place of the one that counted, or added a trial of its own: no release came through."""
    folder = small.root / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    digest, stage = read_folder(folder).digest, {checked.INSPECTION: "inspection", checked.TRIAL: "trials"}[kind]

    def outcome(who: str, word: str, check: str) -> None:
        words = Checked(small[who].context(EVERYBODY), {check: {"outcome": word}}, {})
        handed_in(small, small[who].sign(Statement("model", digest, kind, words.to_json())))

    outcome(OWNER, "passed", "model/code")
    outcome(SUPPLIER, "found", "model/code")
    outcome(SUPPLIER, "found", "model/made-up")
    judged = judge(small[OWNER], folder, small_release.POLICY)
    assert judged.admitted, [r for r in judged.verdict.rulings if not r.ok]
    seen = judged.gathered.evidence[stage]
    assert (seen if stage == "inspection" else seen["model/code"])["signer"] == OWNER
    left_out = [line for line in judged.gathered.evidence["not_looked_at"] if "acme is no data-owner" in line]
    assert len(left_out) == 2
    assert release(small[OWNER], folder, small_release.POLICY).passport
