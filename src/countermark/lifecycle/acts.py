"""Acts of people: approve, waive, and the owners' revocation snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from countermark import dsse
from countermark.artefact.folder import read_folder
from countermark.errors import StatementRefused, Unusable
from countermark.keys.document import moment
from countermark.keys.trust import Trust
from countermark.lifecycle import book, entitled, withdraw
from countermark.lifecycle.desk import Desk
from countermark.passport.slip import Slip
from countermark.statement.predicates import acts, training
from countermark.statement.predicates.acts import Approval, Revocations, Waiver
from countermark.statement.statement import EVERYBODY, Statement

MOST_WAIVER_DAYS = 90
SNAPSHOT_DAYS = 30
MODEL = "model"


def approve(desk: Desk, model: Path, training_envelope: dsse.Envelope, note: str) -> dsse.Envelope:
    """A reviewer approves a model together with the training statement it has read.

    Raises:
        StatementRefused: the training statement is about another model. TrustRefused, SignatureRefused: it does
        not hold.
    """
    trust = desk.trust()
    desk.verify(trust, training_envelope, "trainer")
    said = Statement.from_bytes(training_envelope.payload)
    tree = read_folder(model)
    if said.predicate_type != training.TYPE or said.digest != tree.digest:
        raise StatementRefused(
            "this training statement is about another model",
            why=f"it names {said.digest[:16]}, seen {tree.digest[:16]}",
        )
    predicate = Approval(desk.context(EVERYBODY), training_envelope.digest, note)
    return desk.sign(Statement(MODEL, tree.digest, acts.APPROVAL, predicate.to_json()))


def waive(desk: Desk, subject: str, check: str, *, days: int, reason: str) -> dsse.Envelope:
    """Accept, for one subject and at most 90 days, that one check does not pass.

    Args:
        subject: tree digest hex of the artefact. days: 1 to 90. reason: for every report.

    Raises:
        Unusable: too long, or no reason. TrustRefused: this party holds no role that may waive.
    """
    if not 1 <= days <= MOST_WAIVER_DAYS or not reason.strip():
        raise Unusable("a waiver needs a reason and 1 to 90 days", mend="--days 30 --reason '...'")
    until = (desk.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    predicate = Waiver(desk.context(EVERYBODY), check, until, reason)
    envelope = desk.sign(Statement("waived", subject, acts.WAIVER, predicate.to_json()))
    desk.verify(desk.trust(), envelope, "risk-owner")
    return envelope


def snapshot(desk: Desk, *, days: int = SNAPSHOT_DAYS, revoke: Sequence[int] = ()) -> Slip:
    """Sign and log the owners' newest revocation snapshot.

    Args:
        days: until the next one. revoke: further ledger entries that no longer count, besides those that were
            withdrawn by a statement.

    Raises:
        TrustRefused: this party keeps no ledger, or is no owner.
    """
    with desk.space.lock():
        trust = desk.trust()
        entries = {*revoke, *withdraw.entries(desk), *_revoked_before(desk, trust)}
        with book.ledger(desk, trust) as log:
            head = log.checkpoint
        predicate = Revocations(
            desk.context(EVERYBODY),
            head.size,
            head.root.hex(),
            trust.document.version,
            tuple(sorted(entries)),
            (desk.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            withdraw.successors(desk, trust, entries),
        )
        envelope = desk.sign(Statement("revocations", head.root.hex(), acts.REVOCATION, predicate.to_json()))
        desk.verify(trust, envelope, "data-owner", "model-owner")
        return book.enter(desk, trust, [envelope])[0]


def _revoked_before(desk: Desk, trust: Trust) -> set[int]:
    """Ledger entries in the owners' earlier snapshots; what another party called one revokes nothing, and hides nothing."""
    shown = entitled.standing(book.entered(desk, acts.REVOCATION), trust, desk.now())
    return {entry for one in shown for entry in Revocations.from_json(one.statement.predicate).entries}


def waiver_ends(waiver: Waiver, by: datetime | None = None) -> bool:
    """Whether a waiver keeps to the 90 days between its own time and its end.

    Args:
        by: when a quorum had seen it: a waiver that claims a later time was made by then all the same.
    """
    claimed = moment(waiver.context.time)
    return moment(waiver.until) - min(claimed, by or claimed) <= timedelta(days=MOST_WAIVER_DAYS)
