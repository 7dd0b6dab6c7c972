"""Gather: from statements in the ledger to the evidence that policy judges.

Only verified statements become evidence; one that does not hold is left out and named among what was
not looked at. The shape is plain JSON, so that policy, report and an auditor read the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from countermark.artefact.tree import Tree
from countermark.errors import LedgerRefused, TrustRefused
from countermark.keys.ends import quorum_of
from countermark.keys.trust import Trust
from countermark.ledger import cosignature
from countermark.ledger.checkpoint import Checkpoint
from countermark.lifecycle import answers, book, entitled, heads, rows, withdraw
from countermark.lifecycle.deliveries import Received, admitted_trees, received
from countermark.lifecycle.desk import Desk
from countermark.passport import evidence
from countermark.passport.slip import Shown, Slip, in_time
from countermark.statement.predicates import acts, checked, training
from countermark.statement.predicates import delivery as deliveries
from countermark.statement.predicates import rows as row_predicates

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
        evidence: Evidence v1, plain JSON. statements: slips that every reader of the verdict is shown.
        withheld: slips that only auditors are shown. Both are what evidence rests on, and nothing that newer statements
            superseded. model: the model's tree. checkpoint: the ledger's head.
    """

    evidence: dict[str, Any]
    model: Tree
    checkpoint: Checkpoint
    statements: list[Slip] = field(default_factory=list)
    withheld: list[Slip] = field(default_factory=list)


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
    evidence.read(shown, out.evidence, model.digest)
    _drop_waivers_of_others(out.evidence)
    newest = evidence.statements(out.evidence)
    for one in shown:
        if one.digest in newest:
            hidden = one.statement.predicate_type in evidence.WITHHELD
            (out.withheld if hidden else out.statements).append(one.slip)
    return out


def _drop_waivers_of_others(said: dict[str, Any]) -> None:
    """Waivers of other models and other data lift nothing here, and their readers are others."""
    about = {said["subject"]["digest"], (said["screening"] or {}).get("dataset")}
    said["waivers"] = [w for w in said["waivers"] if w["subject"] in about]


_STAGES = {checked.INSPECTION: "inspection", checked.TRIAL: "trials"}


def _asked(shown: Shown, signers: Mapping[str, str], left_out: list[str]) -> bool:
    """Whether a statement is by a party whose word the policy asks for at its stage."""
    role = signers.get(_STAGES.get(shown.statement.predicate_type, ""))
    if role is None or role in shown.party.roles:
        return True
    left_out.append(f"statement {shown.digest[:16]} does not count: {shown.party.id} is no {role}")
    return False


def _in_time(shown: Shown, trust: Trust, desk: Desk, left_out: list[str]) -> bool:
    """Whether its signer's key had not ended before witnesses saw it.

    What takes away from the training data, or decides about it, counts all the same: evidence must tell of the rows as
    training is given them, and a quarantine that nobody believes would let them back.
    """
    if shown.statement.predicate_type in evidence.RESTRICTING:
        return True
    try:
        in_time(shown, trust, desk.now())
    except TrustRefused as error:
        left_out.append(f"statement {shown.digest[:16]} does not count: {error.what}")
        return False
    return True


def _witnesses(desk: Desk, trust: Trust, out: Gathered) -> None:
    """Whether the quorum that the trust document names has seen the ledger's head."""
    rule = quorum_of(trust.document)
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
    return evidence.nothing_yet() | {
        "format": evidence.FORMAT,
        "project": evidence.project(trust.document, trust.fingerprint),
        "subject": {"name": name, "digest": model.digest},
        "deliveries": [],
        "ledger": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "witnessed": False,
            "witnessed_by": None,
        },
        "not_looked_at": [],
    }


def _training_data(desk: Desk, trust: Trust, shown: Sequence[Shown], out: Gathered) -> None:
    """Deliveries, and the digests of what was screened and of what training may see."""
    by_digest = {s.digest: s for s in shown}
    over, every = rows.ended(desk, admitted_trees(desk)), received(desk)
    later = answers.then(every)
    out.evidence["refused_before"] = [asdict(one) | {"reasons": list(one.reasons)} for one in answers.past(desk, every)]
    for one in every:
        digest = one.parcel.envelope.digest if one.parcel else ""
        known = by_digest.get(digest)
        state = one.state if one.state == "refused" else over.get(digest, one.state)
        out.evidence["deliveries"].append(_delivery(trust, one, known, state) | {"then": later.get(digest, "")})
        if known and state == "admitted":
            out.withheld.append(known.slip)
    selection = rows.select(desk, rows.listed(desk))
    out.evidence["admitted_dataset"] = selection.tree().digest
    out.evidence["set_aside"] = sorted(selection.aside)
    out.evidence["accepted"] = sorted(selection.accepted)


def _delivery(trust: Trust, one: Received, known: Shown | None, state: str) -> dict[str, Any]:
    answer = {"state": state, "reasons": list(one.reasons)}
    if known:
        return evidence.of_delivery(known, trust.document.party(known.party.id)) | answer
    facts = one.parcel.delivery if one.parcel else None
    return answer | {
        "statement": one.parcel.envelope.digest if one.parcel else "", "signer": one.supplier,
        "time": facts.context.time if facts else "", "time_kind": "claimed", "witnessed_by": None, "receipt": None,
        "supplier": one.supplier,
        "sequence": facts.context.sequence if facts else 0,
        "digest": one.parcel.tree.digest if one.parcel else "",
        "rows": one.rows,
        "classes": len(facts.classes) if facts else 0,
        "in_scope": False,
        "signature": "refused" if one.parcel else "unknown signer",
    }  # fmt: skip
