"""What no waiver lifts: signature, trust, receipt and quorum, asked of every statement that evidence rests on.

These rules are part of every policy; the document only says which role counts at which stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from countermark.policy.document import Policy
from countermark.policy.shape import table, tables, text, texts
from countermark.policy.verdict import Reason, Ruling

ASSETS = {
    "deliveries": "training data", "screening": "training data", "quarantines": "training data",
    "decisions": "training data", "training": "training configuration", "inspection": "trained model",
    "trials": "trained model", "approvals": "trained model",
}  # fmt: skip
WHAT = {
    "deliveries": "every admitted delivery is", "screening": "the screening is", "quarantines": "every quarantine is",
    "decisions": "every decision about a row is", "training": "the training statement is",
    "inspection": "the inspection is", "trials": "every trial is", "approvals": "every approval is",
}  # fmt: skip
APART_FROM_TRAINER = frozenset({"screening", "inspection", "trials"})
QUORUM = "ledger/quorum"


def signed_rulings(policy: Policy, evidence: dict[str, Any]) -> Iterator[Ruling]:
    """One ruling per stage that the evidence holds, then the quorum of witnesses."""
    for stage, asset in ASSETS.items():
        items = statements(evidence, stage)
        if items:
            role = policy.signers[stage]
            why = f"{WHAT[stage]} signed by a party that is a {role}, with a receipt from the ledger"
            digests = tuple(sorted({text(i.get("statement")) for i in items} - {""}))
            wrong = next(filter(None, (fault(i, stage, role, evidence) for i in items)), None)
            missing, reason = wrong or ("", "holds")
            mend = "have a party of that role sign it, and enter it in the ledger" if wrong else ""
            yield Ruling(f"signed/{stage}", asset, not wrong, why, digests, missing, mend, None, reason)
    yield _quorum(evidence)


def statements(evidence: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    """Statements of a stage; of the deliveries those that were admitted, and no trainer's approval of its own work."""
    value = evidence.get(stage)
    if stage == "trials":
        return tables(list(table(value).values()))
    listed = tables(value) if isinstance(value, list) else tables([value] if value is not None else [])
    if stage == "approvals":
        trainer = table(evidence.get("training")).get("signer")
        return [a for a in listed if a.get("signer") != trainer]
    return [d for d in listed if d.get("state") == "admitted"] if stage == "deliveries" else listed


def fault(item: dict[str, Any], stage: str, role: str, evidence: dict[str, Any]) -> tuple[str, Reason] | None:
    """What is wrong with who signed a statement, or with its receipt; None where nothing is."""
    signer = item.get("signer")
    if role not in roles(evidence, signer):
        return f"{stage}: signed by {signer!r}, who is no {role}", "signer"
    if stage == "deliveries" and (item.get("signature") != "verified" or signer != item.get("supplier")):
        return f"a delivery of {item.get('supplier')!r} is not signed by that supplier", "signer"
    if stage in APART_FROM_TRAINER and signer == table(evidence.get("training")).get("signer"):
        return f"{stage}: signed by the trainer, who may not judge its own work", "signer"
    if not text(item.get("statement")) or not _receipt(item.get("receipt"), evidence):
        return f"{stage}: statement {str(item.get('statement'))[:16]!r} has no receipt from the ledger", "receipt"
    return None


def roles(evidence: dict[str, Any], party: Any) -> frozenset[str]:
    """Roles of a party as the trust document names them."""
    parties = tables(table(evidence.get("project")).get("parties"))
    return frozenset(role for p in parties if p.get("id") == party for role in texts(p.get("roles")))


def _receipt(receipt: Any, evidence: dict[str, Any]) -> bool:
    if not isinstance(receipt, dict):
        return False
    index, size, head = receipt.get("index"), receipt.get("size"), table(evidence.get("ledger")).get("size")
    return all(type(n) is int for n in (index, size, head)) and 0 <= index < size <= head  # type: ignore[operator]


def _quorum(evidence: dict[str, Any]) -> Ruling:
    named, seen = table(evidence.get("project")).get("quorum"), table(evidence.get("ledger")).get("witnessed")
    why = "the quorum of witnesses that the trust document names has seen this ledger"
    if named == "none":
        why = "the trust document names no quorum of witnesses: the verdict says unwitnessed"
    holds = named == "none" or (bool(text(named)) and seen is True)
    missing = "" if holds else "the ledger's head is not cosigned by that quorum"
    mend = "" if holds else "have the witnesses cosign the checkpoint"
    return Ruling(QUORUM, "trained model", holds, why, (), missing, mend, None, "holds" if holds else "missing")
