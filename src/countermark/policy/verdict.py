"""A verdict: for every rule whether it holds, on which evidence, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FORMAT = 1
Reason = Literal[
    "holds", "false", "missing", "found", "skipped", "failed", "bound", "signer", "receipt", "limit", "error"
]
"""Why a ruling came out so, for machines; ``holds`` alone admits."""


QUOTING = frozenset({"missing", "skipped", "failed", "signer", "receipt", "error"})
"""Reasons whose `missing` may repeat words of a statement."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule came to.

    Attributes:
        id, asset: of the rule. ok: it holds, or was waived. waived: the waiver that lifted it, or None.
        why: what the rule protects. evidence: digests of the statements it looked at.
        missing: what was not shown, empty where it holds. mend: what to do. reason: the same for machines.
    """

    id: str
    asset: str
    ok: bool
    why: str
    evidence: tuple[str, ...] = ()
    missing: str = ""
    mend: str = ""
    waived: dict[str, Any] | None = None
    reason: Reason = "holds"

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "id": self.id, "asset": self.asset, "ok": self.ok, "reason": self.reason, "waived": self.waived,
            "why": self.why, "evidence": list(self.evidence), "missing": self.missing, "mend": self.mend,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a policy. `admitted` only where every rule holds.

    Attributes:
        policy_name, policy: name and digest. subject: tree digest of the model.
        evidence: SHA-256 of the canonical evidence. rulings: one per rule, in the policy's order.
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

    def for_everybody(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Verdict v1 as it is signed for readers who may not know what is said of suppliers.

        Args:
            names: payload digest -> what stands for it. Words taken from statements are left out; those of the policy stay.
        """
        rules = [
            rule
            | {"evidence": [names.get(digest, digest) for digest in rule["evidence"]]}
            | ({"missing": ""} if rule["reason"] in QUOTING else {})
            for rule in self.to_json()["rules"]
        ]
        return self.to_json() | {"rules": rules}


def explain(verdict: Verdict) -> str:
    """For `release --explain`: what fails first, then what was waived, then what holds; with the evidence of each."""
    model, policy = verdict.subject[:16], f"{verdict.policy_name} ({verdict.policy[:16]})"
    lines = [f"{verdict.headline}: model {model} by policy {policy}"]
    lines += [_plain(line) for ruling in sorted(verdict.rulings, key=_rank) for line in _told(ruling)]
    failing = sum(1 for r in verdict.rulings if not r.ok)
    waived = sum(1 for r in verdict.rulings if r.waived)
    lines.append(
        f"{len(verdict.rulings)} rules: {len(verdict.rulings) - failing - waived} hold, {waived} waived, {failing} fail"
    )
    return "\n".join(lines)


def _plain(line: str) -> str:
    """Evidence is other people's text: what would steer a terminal or turn the writing round is shown as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _rank(ruling: Ruling) -> int:
    return 2 if ruling.reason == "holds" else int(ruling.ok)


def _told(ruling: Ruling) -> list[str]:
    word = ("FAILS", "waived", "holds")[_rank(ruling)]
    lines = [f"{word:<7} {ruling.id}  ({ruling.asset})", f"        why: {ruling.why}"]
    if ruling.evidence:
        shown = ", ".join(e[:12] for e in ruling.evidence[:6])
        more = f" and {len(ruling.evidence) - 6} more" if len(ruling.evidence) > 6 else ""
        lines.append(f"        evidence: {shown}{more}")
    if ruling.missing:
        lines.append(f"        missing: {ruling.missing} [{ruling.reason}]")
    if ruling.waived:
        lines.append(
            f"        waived by {ruling.waived['party']} until {ruling.waived['until']}: {ruling.waived['reason']}"
        )
    elif ruling.missing:
        lines.append(f"        fix: {ruling.mend}")
    return lines
