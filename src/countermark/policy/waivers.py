"""Waivers: a named role lifts one check for one subject, for at most 90 days, and for nobody's own work."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from countermark.policy.document import Policy
from countermark.policy.shape import table, tables, text
from countermark.policy.signed import fault
from countermark.policy.verdict import Ruling

MOST = timedelta(days=90)


def waived(ruling: Ruling, policy: Policy, evidence: dict[str, Any], now: datetime) -> Ruling:
    """The ruling as it is, or lifted by the first waiver that counts; what was missing stays told."""
    for waiver in tables(evidence.get("waivers")):
        if waiver.get("check") == ruling.id and _counts(waiver, policy, evidence, now):
            shown = {name: text(waiver.get(name)) for name in ("party", "until", "reason", "statement")}
            digests = (*ruling.evidence, str(waiver["statement"]))
            return replace(ruling, ok=True, waived=shown, evidence=digests)
    return ruling


def _counts(waiver: dict[str, Any], policy: Policy, evidence: dict[str, Any], now: datetime) -> bool:
    signer = text(waiver.get("signer"))
    insiders = {a.get("signer") for a in tables(evidence.get("approvals"))} | {
        table(evidence.get("training")).get("signer")
    }
    return (
        _subject(waiver, evidence)
        and signer == waiver.get("party")
        and signer not in insiders
        and fault(waiver, "waivers", policy.signers["waivers"], evidence) is None
        and _in_time(waiver, now)
    )


def _subject(waiver: dict[str, Any], evidence: dict[str, Any]) -> bool:
    """The model, or for a check of training data the very dataset that was screened."""
    subjects = {evidence["subject"]["digest"]}
    if text(waiver.get("check")).startswith("data/"):
        subjects.add(text(table(evidence.get("screening")).get("dataset")))
    return text(waiver.get("subject")) in subjects - {""}


def _in_time(waiver: dict[str, Any], now: datetime) -> bool:
    """Signed at a time that is not ahead, not run out, and for no longer than 90 days since; witnesses may know it to be older."""
    try:
        made, until = (datetime.fromisoformat(text(waiver.get(name))) for name in ("time", "until"))
        seen = text(waiver.get("witnessed_by"))
        begun = min(made, datetime.fromisoformat(seen)) if seen else made
        return made <= now < until and until - begun <= MOST
    except (ValueError, TypeError):
        return False
