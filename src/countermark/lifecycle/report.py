"""Report: judge what the ledger shows about a model, answer the sheet, and collect the exhibits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from countermark.assess.assess import Assessment, assess
from countermark.errors import NothingToVerify
from countermark.lifecycle import license_evidence
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.release import Judged, judge


def assessed(desk: Desk, model: Path, policy: bytes, licences: Sequence[Path] = ()) -> tuple[Judged, Assessment]:
    """Evidence, verdict (unsigned) and the answers they give.

    Licences are looked at for the answers alone: no rule of a policy sees them.

    Args:
        licences: files, beside those that were signed in this workspace.

    Raises:
        Refusal: evidence, policy or a licence is malformed or does not hold.
    """
    judged = judge(desk, model, policy)
    known = license_evidence.evidence(desk, judged.gathered.model.digest, licences)
    return judged, assess(judged.gathered.evidence | {"licences": known}, judged.verdict.to_json())


def exhibits(desk: Desk, evidence: dict[str, Any]) -> dict[str, bytes]:
    """Pictures that findings name, those that are kept here."""
    out: dict[str, bytes] = {}
    for outcome in (evidence.get("screening") or {}).get("checks", {}).values():
        for finding in outcome.get("findings", []):
            for digest in finding.get("exhibits", []):
                try:
                    out[digest] = desk.space.get(digest)
                except NothingToVerify:
                    continue
    return out
