"""The view model: what every rendering shows, from evidence, verdict and assessment; nothing is judged again."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from countermark.assess.assess import Assessment
from countermark.policy.shape import table, tables, text, texts

MOST_EXHIBIT_BYTES = 16 << 10
SEVERITIES = ("critical", "high", "medium", "low", "info")
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something nobody looked at: what, in which words, and what would show it."""

    kind: str
    what: str
    would_show: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}" + (f" (would show it: {self.would_show})" if self.would_show else "")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report shows.

    Attributes:
        evidence: Evidence v1. verdict: Verdict v1. assessment: answers from both.
        exhibits: SHA-256 hex -> PNG bytes. story: figures of a demonstration, shown on the last page, or None.
    """

    evidence: dict[str, Any]
    verdict: dict[str, Any]
    assessment: Assessment
    exhibits: dict[str, bytes] = field(default_factory=dict)
    story: dict[str, Any] | None = None

    @property
    def admitted(self) -> bool:
        """Whether the verdict admits."""
        return self.verdict.get("verdict") == "admitted"

    @property
    def witnessed(self) -> bool:
        """Whether a quorum saw the history."""
        return self.verdict.get("witnessed") == "witnessed"

    @property
    def headline(self) -> str:
        """The words that every page repeats."""
        return ("admitted" if self.admitted else "refused") + ("" if self.witnessed else ", unwitnessed")

    @property
    def subject(self) -> dict[str, Any]:
        """Name and tree digest of the model."""
        return table(self.evidence.get("subject"))

    def stage(self, name: str) -> dict[str, Any]:
        """A stage that has one statement; empty where it is missing."""
        return table(self.evidence.get(name))

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """Check id -> outcome, of screening and inspection."""
        return {
            check: table(outcome)
            for stage in ("screening", "inspection")
            for check, outcome in sorted(table(self.stage(stage).get("checks")).items())
        }

    def findings(self) -> list[dict[str, Any]]:
        """All findings of all stages, worst first."""
        every = [f for outcome in self.outcomes().values() for f in tables(outcome.get("findings"))]
        return sorted(every, key=lambda f: (_severity(f), -_confidence(f)))

    def rules(self) -> list[dict[str, Any]]:
        """Rules of the verdict."""
        return tables(self.verdict.get("rules"))

    def unseen(self) -> list[Unseen]:
        """What nobody looked at or could look at, nearest first: checks, words alone, then questions."""
        out = [Unseen("history", said) for said in texts(self.evidence.get("not_looked_at"))]
        out += [Unseen(s, "nobody did it") for s in ("screening", "inspection", "training") if not self.stage(s)]
        for check, outcome in self.outcomes().items():
            word = outcome.get("outcome")
            if word in ("skipped", "failed"):
                out.append(
                    Unseen(check, f"{word}: {outcome.get('reason') or outcome.get('error') or 'no reason given'}")
                )
            out += [Unseen(check, said) for said in texts(outcome.get("leftOut"))]
        out += self._left_out() + self._only_said()
        return out + [
            Unseen(a.group, a.question, a.would_show) for a in self.assessment.cheat_sheet if a.state == "not shown"
        ]

    def _left_out(self) -> list[Unseen]:
        abstained = texts(self.stage("screening").get("abstained"))
        files = tables(self.stage("inspection").get("files"))
        out = [Unseen("screening", f"class {label}: too few rows to judge") for label in abstained[:20]]
        if len(abstained) > 20:
            out.append(Unseen("screening", f"and {len(abstained) - 20} more classes with too few rows"))
        out += [Unseen("screening", line) for line in texts(self.stage("screening").get("notLookedAt"))[:20]]
        out += [
            Unseen("inspection", f"{text(f.get('path'))}: {f['answer']}")
            for f in files
            if f.get("answer") == "unproven"
        ]
        declared = table(self.stage("inspection").get("declared"))
        out += [
            Unseen("inspection", f"{name}: the recipe lets the model contain it, and its code was not read")
            for name in (*texts(declared.get("classes")), *texts(declared.get("domains")))
        ]
        trials = self.stage("trials")
        return out + [
            Unseen(text(name), "the trial did not run to its end")
            for name, t in trials.items()
            if table(t).get("completed") is not True
        ]

    def _only_said(self) -> list[Unseen]:
        hermetic = table(self.stage("training").get("hermetic"))
        level = text(hermetic.get("level"))
        if level == "claimed":
            said = "hermetic by the trainer's word and probe; nobody reproduced or attested the run"
            return [Unseen("training", said, "a reproduction of the run by another party")]
        if level == "not hermetic":
            return [
                Unseen(
                    "training", f"what else the run could read: {text(hermetic.get('reason')) or 'it was not confined'}"
                )
            ]
        return []

    def not_looked_at(self) -> list[str]:
        """`unseen`, a line each."""
        return [str(u) for u in self.unseen()]

    def picture(self, digest: str) -> str:
        """Data URI of an exhibit; empty where it is not here, not the PNG that was signed, or over 16 kB."""
        data = self.exhibits.get(digest, b"")
        if not data.startswith(_PNG) or len(data) > MOST_EXHIBIT_BYTES or hashlib.sha256(data).hexdigest() != digest:
            return ""
        return "data:image/png;base64," + base64.b64encode(data).decode()

    def to_json(self) -> dict[str, Any]:
        """JSON object; pictures are named by digest only."""
        return {
            "format": 1, "headline": self.headline, "verdict": self.verdict, "evidence": self.evidence,
            "assessment": self.assessment.to_json(), "notLookedAt": self.not_looked_at(), "story": self.story,
        }  # fmt: skip


def _severity(finding: dict[str, Any]) -> int:
    severity = finding.get("severity")
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _confidence(finding: dict[str, Any]) -> float:
    confidence = finding.get("confidence")
    return float(confidence) if isinstance(confidence, int | float) else 0.0
