"""Assess one model: every entry of the matrix and every question of the cheat sheet, with what shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from countermark.assess.cheat_sheet import QUESTIONS
from countermark.assess.look import STATES, Fact, Look, State
from countermark.assess.matrix import THREATS


@dataclass(frozen=True, slots=True)
class Answer:
    """One entry.

    Attributes:
        id: of the question, or ``asset/property/kind/n`` of a threat. group: the question's group or the asset.
        tag: level of a question, or ``property`` of a threat. kind: of a threat, empty for questions.
        question: what is asked, or what could happen. state, because, evidence: of the `Fact`.
        would_show: what would show it where it is not, or not wholly, shown.
    """

    id: str
    group: str
    tag: str
    kind: str
    question: str
    state: State
    because: str
    evidence: tuple[str, ...]
    would_show: str

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "id": self.id, "group": self.group, "tag": self.tag, "kind": self.kind, "question": self.question,
            "answer": self.state, "because": self.because, "evidence": list(self.evidence), "wouldShow": self.would_show,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assessment:
    """The two tables; `matrix` in the order of assets, `cheat_sheet` in the order of groups."""

    matrix: tuple[Answer, ...]
    cheat_sheet: tuple[Answer, ...]

    def counts(self) -> dict[State, int]:
        """Answers of the cheat sheet by state."""
        seen = Counter(a.state for a in self.cheat_sheet)
        return {state: seen[state] for state in STATES}

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "format": 1,
            "matrix": [a.to_json() for a in self.matrix],
            "cheatSheet": [a.to_json() for a in self.cheat_sheet],
        }


def assess(evidence: dict[str, Any], verdict: dict[str, Any]) -> Assessment:
    """Answer from evidence alone.

    Args:
        evidence: Evidence v1. verdict: Verdict v1 of a policy over it (`Verdict.to_json`).

    Returns:
        Each answer ``shown``, ``partly`` or ``not shown``; the first two never without digests.
    """
    look = Look(evidence, verdict)
    matrix = tuple(
        _answer(
            f"{t.asset}/{t.property}/{t.kind}/{i}", (t.asset, t.property, t.kind), t.what, t.look(look), t.would_show
        )
        for i, t in enumerate(THREATS)
    )
    sheet = tuple(_answer(q.id, (q.group, q.level, ""), q.text, q.look(look), q.would_show) for q in QUESTIONS)
    return Assessment(matrix, sheet)


def _answer(name: str, place: tuple[str, str, str], question: str, fact: Fact, would_show: str) -> Answer:
    shown = "" if fact.state == "shown" else would_show
    return Answer(name, *place, question, fact.state, fact.because, fact.evidence, shown)
