"""A verdict: for every rule whether it holds, on which evidence, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule came to.

    Attributes:
        id, asset: of the rule. ok: it holds, or was waived. waived: the waiver that lifted it, or None.
        why: what the rule protects. evidence: digests of the statements it looked at.
        missing: what was not shown, empty where it holds. mend: what to do.
    """

    id: str
    asset: str
    ok: bool
    why: str
    evidence: tuple[str, ...] = ()
    missing: str = ""
    mend: str = ""
    waived: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "id": self.id, "asset": self.asset, "ok": self.ok, "waived": self.waived, "why": self.why,
            "evidence": list(self.evidence), "missing": self.missing, "mend": self.mend,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a policy. `admitted` only where every rule holds.

    Attributes:
        policy: name and digest. subject: tree digest of the model. evidence: SHA-256 of the canonical evidence.
    """

    policy_name: str
    policy: str
    subject: str
    evidence: str
    witnessed: bool
    rulings: tuple[Ruling, ...]

    @property
    def admitted(self) -> bool:
        """Every rule holds, and there is at least one."""
        return bool(self.rulings) and all(r.ok for r in self.rulings)

    @property
    def headline(self) -> str:
        """The words that every page repeats."""
        word = "admitted" if self.admitted else "refused"
        return word if self.witnessed else f"{word}, unwitnessed"

    def to_json(self) -> dict[str, Any]:
        """Verdict v1."""
        return {
            "format": FORMAT,
            "verdict": "admitted" if self.admitted else "refused",
            "witnessed": "witnessed" if self.witnessed else "unwitnessed",
            "policy": {"name": self.policy_name, "digest": self.policy},
            "subject": self.subject,
            "evidence": self.evidence,
            "rules": [r.to_json() for r in self.rulings],
        }


def explain(verdict: Verdict) -> str:
    """For `release --explain`: each rule, the evidence it looked at, and what is missing."""
    lines = [
        f"{verdict.headline}: policy {verdict.policy_name!r} ({verdict.policy[:16]}) on model {verdict.subject[:16]}"
    ]
    for ruling in verdict.rulings:
        mark = "waived" if ruling.waived else ("holds " if ruling.ok else "FAILS ")
        lines.append(f"{mark}  {ruling.id}  ({ruling.asset})")
        lines.append(f"        why: {ruling.why}")
        if ruling.evidence:
            shown = ", ".join(e[:12] for e in ruling.evidence[:6])
            more = f" and {len(ruling.evidence) - 6} more" if len(ruling.evidence) > 6 else ""
            lines.append(f"        evidence: {shown}{more}")
        if ruling.missing:
            lines.append(f"        missing: {ruling.missing}")
            lines.append(f"        fix: {ruling.mend}")
    return "\n".join(lines)
