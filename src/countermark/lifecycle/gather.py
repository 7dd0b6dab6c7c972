"""Gather: from statements in the ledger to the evidence that policy judges.

Only verified statements become evidence; one that does not hold is left out and named among what was
not looked at. The shape is plain JSON, so that policy, report and an auditor read the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from countermark.artefact.tree import Tree
from countermark.errors import LedgerRefused, TrustRefused
from countermark.keys import quorum
from countermark.keys.trust import Trust
from countermark.ledger import cosignature
from countermark.ledger.checkpoint import Checkpoint
from countermark.lifecycle import book, entitled, heads, rows, withdraw
from countermark.lifecycle.acts import waiver_ends
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.receive import Received, admitted_trees, received
from countermark.passport.slip import Shown, Slip, in_time
from countermark.passport.times import stamp
from countermark.statement.predicates import acts, checked, training
from countermark.statement.predicates import delivery as deliveries
from countermark.statement.predicates import rows as row_predicates
from countermark.statement.predicates.acts import Approval, Revocations, Waiver
from countermark.statement.predicates.checked import Checked
from countermark.statement.predicates.rows import Decision, Quarantine
from countermark.statement.predicates.training import Training

FORMAT = 1
UNWITNESSED = "witnesses: no quorum is named, so nobody outside the operator has seen this history"
NOT_COSIGNED = "witnesses: the quorum that is named has not cosigned the ledger's head"
TYPES = (
    deliveries.TYPE,
    *checked.TYPES,
    row_predicates.QUARANTINE,
    row_predicates.DECISION,
    training.TYPE,
    acts.APPROVAL,
    acts.WAIVER,
    acts.REVOCATION,
)


@dataclass(slots=True)
class Gathered:
    """Evidence about one model, and the slips it rests on.

    Attributes:
        evidence: Evidence v1, plain JSON. statements: slips that carry it, deliveries apart.
        deliveries: slips of the admitted deliveries. model: the model's tree. checkpoint: the ledger's head.
    """

    evidence: dict[str, Any]
    model: Tree
    checkpoint: Checkpoint
    statements: list[Slip] = field(default_factory=list)
    deliveries: list[Slip] = field(default_factory=list)


def gather(desk: Desk, model: Tree, name: str, signers: Mapping[str, str] | None = None) -> Gathered:
    """Collect what the ledger shows about `model`.

    Args:
        signers: stage -> role whose inspections and trials count, as the policy names them; None takes anybody's. One by
            another party would else stand in place of the one that counts, and stop every release.

    Raises:
        TrustRefused: this party keeps no ledger, or its trust document does not hold.
        Unusable: no delivery was admitted.
    """
    trust = desk.trust()
    slips, checkpoint = book.refreshed(desk, trust, book.entered(desk, *TYPES))
    out = Gathered(_empty(trust, model, name, checkpoint), model, checkpoint)
    _witnesses(desk, trust, out)
    gone = withdraw.withdrawn(desk)
    times = heads.times(heads.known(desk, trust, checkpoint))
    counted = entitled.standing(slips, trust, desk.now(), out.evidence["not_looked_at"], times)
    counted = [s for s in counted if _in_time(s, trust, desk, out.evidence["not_looked_at"])]
    shown = [s for s in counted if s.digest not in gone and _asked(s, signers or {}, out.evidence["not_looked_at"])]
    out.evidence["not_looked_at"] += [f"statement {d[:16]} was withdrawn: {w.reason}" for d, w in gone.items()]
    _training_data(desk, trust, shown, out)
    for one in shown:
        reader = _READERS.get(one.statement.predicate_type)
        if reader and reader(one, out.evidence, model.digest):
            out.statements.append(one.slip)
    return out


_STAGES = {checked.INSPECTION: "inspection", checked.TRIAL: "trials"}


def _asked(shown: Shown, signers: Mapping[str, str], left_out: list[str]) -> bool:
    """Whether a statement is by a party whose word the policy asks for at its stage."""
    role = signers.get(_STAGES.get(shown.statement.predicate_type, ""))
    if role is None or role in shown.party.roles:
        return True
    left_out.append(f"statement {shown.digest[:16]} does not count: {shown.party.id} is no {role}")
    return False


_RESTRICTING = frozenset({row_predicates.QUARANTINE, row_predicates.DECISION, acts.REVOCATION})


def _in_time(shown: Shown, trust: Trust, desk: Desk, left_out: list[str]) -> bool:
    """Whether its signer's key had not ended before witnesses saw it.

    What takes away from the training data, or decides about it, counts all the same: evidence must tell of the rows as
    training is given them, and a quarantine that nobody believes would let them back.
    """
    if shown.statement.predicate_type in _RESTRICTING:
        return True
    try:
        in_time(shown, trust, desk.now())
    except TrustRefused as error:
        left_out.append(f"statement {shown.digest[:16]} does not count: {error.what}")
        return False
    return True


def _witnesses(desk: Desk, trust: Trust, out: Gathered) -> None:
    """Whether the quorum that the trust document names has seen the ledger's head."""
    rule = quorum.parse(trust.document.quorum)
    seen: str | None = None
    if rule.needed:
        try:
            seen = cosignature.witnessed(out.checkpoint, rule, desk.now()).when
        except LedgerRefused as error:
            out.evidence["not_looked_at"].append(f"{NOT_COSIGNED}: {error.why or error.what}")
    else:
        out.evidence["not_looked_at"].append(UNWITNESSED)
    out.evidence["ledger"] |= {"witnessed": seen is not None, "witnessed_by": seen}


def _empty(trust: Trust, model: Tree, name: str, checkpoint: Checkpoint) -> dict[str, Any]:
    document = trust.document
    parties = [
        {"id": p.id, "name": p.name, "organisation": p.organisation, "roles": list(p.roles)} for p in document.parties
    ]
    return {
        "format": FORMAT,
        "project": {
            "name": document.project,
            "fingerprint": trust.fingerprint,
            "trust_version": document.version,
            "quorum": document.quorum,
            "parties": parties,
        },
        "subject": {"name": name, "digest": model.digest},
        "deliveries": [],
        "screening": None,
        "quarantines": [],
        "decisions": [],
        "training": None,
        "inspection": None,
        "trials": {},
        "approvals": [],
        "waivers": [],
        "revocations": None,
        "ledger": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "witnessed": False,
            "witnessed_by": None,
        },
        "not_looked_at": [],
    }


def item(shown: Shown) -> dict[str, Any]:
    """What every piece of evidence says about the statement it came from.

    `time` is what its signer claims; `witnessed_by` when a quorum had seen it, or None, and then `time_kind` is "claimed".
    """
    receipt = {"index": shown.index, "size": shown.checkpoint.size} if shown.checkpoint else None
    return {
        "statement": shown.digest,
        "signer": shown.party.id,
        "time": shown.context.time,
        "time_kind": "witnessed" if shown.by else "claimed",
        "witnessed_by": stamp(shown.by) if shown.by else None,
        "receipt": receipt,
    }


def _training_data(desk: Desk, trust: Trust, shown: Sequence[Shown], out: Gathered) -> None:
    """Deliveries, and the digests of what was screened and of what training may see."""
    by_digest = {s.digest: s for s in shown}
    over = rows.ended(desk, admitted_trees(desk))
    for one in received(desk):
        digest = one.parcel.envelope.digest if one.parcel else ""
        known = by_digest.get(digest)
        state = one.state if one.state == "refused" else over.get(digest, one.state)
        out.evidence["deliveries"].append(_delivery(trust, one, known, state))
        if known and state == "admitted":
            out.deliveries.append(known.slip)
    selection = rows.select(desk, rows.listed(desk))
    out.evidence["admitted_dataset"] = selection.tree().digest
    out.evidence["set_aside"] = sorted(selection.aside)
    out.evidence["accepted"] = sorted(selection.accepted)


def _delivery(trust: Trust, one: Received, known: Shown | None, state: str) -> dict[str, Any]:
    facts = one.parcel.delivery if one.parcel else None
    in_scope = bool(known and facts and all(known.party.covers(label) for label in facts.classes))
    base = item(known) if known else {
        "statement": one.parcel.envelope.digest if one.parcel else "", "signer": one.supplier,
        "time": facts.context.time if facts else "", "time_kind": "claimed", "witnessed_by": None, "receipt": None,
    }  # fmt: skip
    return base | {
        "supplier": one.supplier,
        "sequence": facts.context.sequence if facts else 0,
        "digest": one.parcel.tree.digest if one.parcel else "",
        "rows": one.rows,
        "classes": len(facts.classes) if facts else 0,
        "state": state,
        "reasons": list(one.reasons),
        "in_scope": in_scope,
        "signature": "verified" if known else ("refused" if one.parcel else "unknown signer"),
    }


Reader = Callable[[Shown, dict[str, Any], str], bool]


def _screening(shown: Shown, evidence: dict[str, Any], _model: str) -> bool:
    said = Checked.from_json(shown.statement.predicate)
    evidence["screening"] = item(shown) | said.facts | {"dataset": shown.statement.digest, "checks": said.checks}
    return True


def _quarantine(shown: Shown, evidence: dict[str, Any], _model: str) -> bool:
    said = Quarantine.from_json(shown.statement.predicate)
    evidence["quarantines"].append(item(shown) | {"rows": list(said.rows), "reason": said.reason})
    return True


def _decision(shown: Shown, evidence: dict[str, Any], _model: str) -> bool:
    said = Decision.from_json(shown.statement.predicate)
    evidence["decisions"] += [item(shown) | {"row": r, "action": said.action, "label": said.label} for r in said.rows]
    return True


def _training(shown: Shown, evidence: dict[str, Any], model: str) -> bool:
    if shown.statement.digest != model:
        return False
    said = Training.from_json(shown.statement.predicate)
    if said.trainer != shown.party.id:
        return False
    evidence["training"] = item(shown) | {
        "inputs": said.inputs,
        "dataset": said.inputs.get("train", ""),
        "admitted_dataset": evidence["admitted_dataset"],
        "recipe": said.recipe,
        "environment": said.inputs.get("environment", ""),
        "output": shown.statement.digest,
        "hermetic": {"level": said.level, "reason": "; ".join(said.reasons), "probe": said.probe},
        "metrics": said.metrics,
    }
    return True


def _inspection(shown: Shown, evidence: dict[str, Any], model: str) -> bool:
    if shown.statement.digest != model:
        return False
    said = Checked.from_json(shown.statement.predicate)
    evidence["inspection"] = item(shown) | {"checks": said.checks, "files": said.facts.get("files", [])}
    return True


def _trial(shown: Shown, evidence: dict[str, Any], model: str) -> bool:
    if shown.statement.digest != model:
        return False
    said = Checked.from_json(shown.statement.predicate)
    for trial, outcome in said.checks.items():
        evidence["trials"][trial] = item(shown) | outcome
    return True


def _approval(shown: Shown, evidence: dict[str, Any], model: str) -> bool:
    if shown.statement.digest != model:
        return False
    said = Approval.from_json(shown.statement.predicate)
    evidence["approvals"].append(
        item(shown)
        | {"party": shown.party.id, "roles": list(shown.party.roles), "of": model, "training": said.training}
    )
    return True


def _waiver(shown: Shown, evidence: dict[str, Any], _model: str) -> bool:
    said = Waiver.from_json(shown.statement.predicate)
    if not waiver_ends(said, shown.by):
        return False
    evidence["waivers"].append(
        item(shown)
        | {"check": said.check, "subject": shown.statement.digest, "until": said.until, "reason": said.reason}
        | {"party": shown.party.id}
    )
    return True


def _revocation(shown: Shown, evidence: dict[str, Any], _model: str) -> bool:
    said = Revocations.from_json(shown.statement.predicate)
    evidence["revocations"] = item(shown) | {"next_update": said.next_update, "tree_size": said.tree_size}
    return False


_READERS: dict[str, Reader] = {
    checked.SCREENING: _screening,
    row_predicates.QUARANTINE: _quarantine,
    row_predicates.DECISION: _decision,
    training.TYPE: _training,
    checked.INSPECTION: _inspection,
    checked.TRIAL: _trial,
    acts.APPROVAL: _approval,
    acts.WAIVER: _waiver,
    acts.REVOCATION: _revocation,
}
