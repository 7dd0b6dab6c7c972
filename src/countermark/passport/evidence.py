"""What verified statements say, as the evidence that policy judges: one reader for each kind.

Who gathers evidence from the ledger and who judges a model again from its papers read by the same code, so that they differ
only where the statements do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from countermark.keys.document import Party, TrustDocument
from countermark.passport.slip import Shown
from countermark.passport.times import stamp
from countermark.statement.predicates import acts, checked, training
from countermark.statement.predicates import delivery as deliveries
from countermark.statement.predicates import rows as row_predicates
from countermark.statement.predicates.acts import Approval, Revocations, Waiver
from countermark.statement.predicates.checked import Checked
from countermark.statement.predicates.delivery import Delivery
from countermark.statement.predicates.rows import Decision, Quarantine
from countermark.statement.predicates.training import Training

FORMAT = 1
WITHHELD = frozenset({deliveries.TYPE, checked.SCREENING, row_predicates.QUARANTINE, row_predicates.DECISION})
"""Kinds that name suppliers or their rows: a licensee is shown a commitment to each, an auditor the statement."""
RESTRICTING = frozenset({row_predicates.QUARANTINE, row_predicates.DECISION, acts.REVOCATION})
"""Kinds that take away from the training data, or decide about it: they count although their signer's key ended meanwhile."""

Reader = Callable[[Shown, dict[str, Any], str], bool]
"""(statement, evidence that takes what it says, tree digest of the model) -> whether it took anything."""


def project(document: TrustDocument, fingerprint: str) -> dict[str, Any]:
    """What one version of the trust document says of the project and its parties."""
    parties = [
        {"id": p.id, "name": p.name, "organisation": p.organisation, "roles": list(p.roles)} for p in document.parties
    ]
    return {
        "name": document.project,
        "fingerprint": fingerprint,
        "trust_version": document.version,
        "quorum": document.quorum,
        "parties": parties,
    }


def nothing_yet() -> dict[str, Any]:
    """The fields that readers fill."""
    return {
        "screening": None, "quarantines": [], "decisions": [], "training": None, "inspection": None, "trials": {},
        "approvals": [], "waivers": [], "revocations": None,
    }  # fmt: skip


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


def of_delivery(shown: Shown, party: Party) -> dict[str, Any]:
    """What a delivery's own statement says; whether it was admitted, its receiver does.

    Args:
        party: its signer, as the trust document that is judged by names it.
    """
    said = Delivery.from_json(shown.statement.predicate)
    return item(shown) | {
        "supplier": party.id,
        "sequence": said.context.sequence,
        "digest": shown.statement.digest,
        "rows": said.rows,
        "classes": len(said.classes),
        "in_scope": all(party.covers(label) for label in said.classes),
        "signature": "verified",
    }


def statements(evidence: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Statement digest to an item that came from it, deliveries apart."""
    one = [evidence[name] for name in ("screening", "training", "inspection", "revocations") if evidence[name]]
    many = [i for name in ("quarantines", "decisions", "approvals", "waivers") for i in evidence[name]]
    return {i["statement"]: i for i in (*one, *many, *evidence["trials"].values())}


def _screening(shown: Shown, evidence: dict[str, Any], _model: str) -> bool:
    said = Checked.from_json(shown.statement.predicate)
    evidence["screening"] = (
        said.facts | item(shown) | {"dataset": shown.statement.digest, "checks": said.checks}
    )  # last what the envelope shows, so that no fact passes for signer or receipt
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
    declared = said.facts.get("declared")
    if declared is not None and not _signed_for(declared, evidence["training"]):
        why = "what it let pass for a recipe is not signed for by this model's training statement"
        evidence.setdefault("not_looked_at", []).append(f"inspection {shown.digest[:16]} does not count: {why}")
        return False
    widened = {} if declared is None else {"declared": declared}
    evidence["inspection"] = item(shown) | {"checks": said.checks, "files": said.facts.get("files", [])} | widened
    return True


def _signed_for(declared: Any, trained: dict[str, Any] | None) -> bool:
    """Whether what an inspection let pass for the sake of a recipe stands in the recipe of this model's training."""
    if not isinstance(declared, dict) or trained is None:
        return False
    return (declared.get("training"), declared.get("recipe")) == (trained["statement"], trained["recipe"])


def _trial(shown: Shown, evidence: dict[str, Any], model: str) -> bool:
    if shown.statement.digest != model:
        return False
    said = Checked.from_json(shown.statement.predicate)
    for trial, outcome in said.checks.items():
        evidence["trials"][trial] = outcome | item(shown)
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
    if not said.keeps_the_limit(shown.by):
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
    return True


READERS: dict[str, Reader] = {
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
"""By predicate type."""


def read(shown: Iterable[Shown], evidence: dict[str, Any], model: str) -> None:
    """Fill evidence from statements in ledger order, as the newest of some kinds is the one that counts.

    Training comes first: inspections may rest on it, in whatever order the two were entered.
    """
    for one in sorted(shown, key=lambda s: s.statement.predicate_type != training.TYPE):
        if reader := READERS.get(one.statement.predicate_type):
            reader(one, evidence, model)
