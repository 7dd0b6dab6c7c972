"""The view model: what every rendering shows, computed once from evidence, verdict and assessment."""

from __future__ import annotations

import base64
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from countermark.assess.assess import Assessment

UNWITNESSED = "unwitnessed: the operator could rewrite this history"
MOST_EXHIBIT_BYTES = 16 << 10
LONGEST = 300
SEVERITIES = ("critical", "high", "medium", "low", "info")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report shows.

    Attributes:
        evidence, verdict: as policy saw and said them. assessment: answers from evidence.
        exhibits: SHA-256 hex -> PNG bytes. story: figures of a demonstration, or None.
    """

    evidence: dict[str, Any]
    verdict: dict[str, Any]
    assessment: Assessment
    exhibits: dict[str, bytes] = field(default_factory=dict)
    story: dict[str, Any] | None = None

    @property
    def admitted(self) -> bool:
        """Whether the verdict admits."""
        return bool(self.verdict["verdict"] == "admitted")

    @property
    def headline(self) -> str:
        """Verdict first."""
        witnessed = self.verdict["witnessed"]
        return str(self.verdict["verdict"]) + ("" if witnessed == "witnessed" else ", unwitnessed")

    def findings(self) -> list[dict[str, Any]]:
        """All findings of all stages, worst first."""
        out = []
        for stage in ("screening", "inspection"):
            for outcome in (self.evidence.get(stage) or {}).get("checks", {}).values():
                out += outcome.get("findings", [])
        return sorted(out, key=lambda f: (SEVERITIES.index(f["severity"]), -f["confidence"]))

    def not_looked_at(self) -> list[str]:
        """What nobody looked at, or could look at, in the reader's words."""
        out = list(self.evidence.get("not_looked_at", []))
        for stage in ("screening", "inspection"):
            said = self.evidence.get(stage)
            if said is None:
                out.append(f"{stage}: nobody did it")
                continue
            for name, outcome in said.get("checks", {}).items():
                if outcome["outcome"] in ("skipped", "failed"):
                    out.append(f"{name}: {outcome['outcome']}: {outcome.get('reason') or outcome.get('error')}")
        for label in (self.evidence.get("screening") or {}).get("abstained", [])[:20]:
            out.append(f"class {label}: too few rows to judge")
        training = self.evidence.get("training") or {}
        level = training.get("hermetic", {}).get("level", "not hermetic")
        if level == "claimed":
            out.append("training: hermetic is claimed by the trainer alone; nobody reproduced or attested the run")
            out.append("training: the operating system's files are known by package list, not by bytes")
        out += [
            f"{a.part}: {a.text} Not shown; {a.would} would show it."
            for a in self.assessment.answers
            if a.shown == "not shown"
        ]
        return out

    def picture(self, digest: str) -> str:
        """Data URI of an exhibit, or an empty text where it is not here or too large."""
        data = self.exhibits.get(digest, b"")
        if not data.startswith(b"\x89PNG") or len(data) > MOST_EXHIBIT_BYTES:
            return ""
        return "data:image/png;base64," + base64.b64encode(data).decode()

    def to_json(self) -> dict[str, Any]:
        """JSON object; pictures are named by digest only."""
        return {
            "format": 1, "verdict": self.verdict, "evidence": self.evidence, "assessment": self.assessment.to_json(),
            "not_looked_at": self.not_looked_at(), "story": self.story,
        }  # fmt: skip


def plain(text: object) -> str:
    """Text of another party, without control characters and direction overrides, cut at 300 characters."""
    shown = "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co") else "\N{REPLACEMENT CHARACTER}" for c in str(text)
    )
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "..."
