"""Answer the matrix and the cheat sheet from evidence and verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from countermark.assess.questions import ASSETS, MATRIX, PROTECTS, QUESTIONS, THREATS

Shown = Literal["shown", "partly", "not shown"]


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: how far it is shown, by which statements, and what would show it."""

    id: str
    part: str
    level: str
    text: str
    shown: Shown
    statements: tuple[str, ...]
    would: str

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "id": self.id, "part": self.part, "level": self.level, "question": self.text, "answer": self.shown,
            "statements": list(self.statements), "would_show": self.would,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix."""

    asset: str
    threat: str
    against: str
    shown: Shown
    by: tuple[str, ...]
    statements: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "asset": self.asset, "threat": self.threat, "property": self.against, "answer": self.shown,
            "by": list(self.by), "statements": list(self.statements),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assessment:
    """The whole sheet."""

    answers: tuple[Answered, ...]
    cells: tuple[Cell, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"answers": [a.to_json() for a in self.answers], "matrix": [c.to_json() for c in self.cells]}

    def count(self, shown: Shown) -> int:
        """How many questions have this answer."""
        return sum(a.shown == shown for a in self.answers)


def assess(evidence: dict[str, Any], verdict: dict[str, Any]) -> Assessment:
    """Answer every question.

    Args:
        evidence: Evidence v1. verdict: Verdict v1, as JSON.
    """
    answers = []
    for q in QUESTIONS:
        shown, statements = _judge(q.shows, evidence, verdict)
        answers.append(Answered(q.id, q.part, q.level, q.text, shown, statements, q.would))
    cells = []
    for asset in ASSETS:
        for threat in THREATS:
            by = MATRIX[asset, threat]
            shown, statements = _judge(by, evidence, verdict)
            cells.append(Cell(asset, threat, PROTECTS[threat], shown, by, statements))
    return Assessment(tuple(answers), tuple(cells))


def _judge(shows: tuple[str, ...], evidence: dict[str, Any], verdict: dict[str, Any]) -> tuple[Shown, tuple[str, ...]]:
    found = [_look(name, evidence, verdict) for name in shows]
    statements = tuple(dict.fromkeys(s for f in found if f is not None for s in f))
    held = sum(f is not None for f in found)
    if not held:
        return "not shown", ()
    return ("shown" if held == len(shows) else "partly"), statements


def _look(name: str, evidence: dict[str, Any], verdict: dict[str, Any]) -> tuple[str, ...] | None:
    """Statements that show `name`, or None where nothing does."""
    kind, _, rest = name.partition(":")
    if kind == "rule":
        rule = next((r for r in verdict.get("rules", []) if r["id"] == rest and r["ok"] and not r["waived"]), None)
        return tuple(rule["evidence"]) if rule else None
    if kind == "check":
        stage = evidence.get("screening") or {}
        outcome = stage.get("checks", {}).get(rest, {}).get("outcome")
        return _statement(stage) if outcome in ("passed", "found") else None
    if kind == "trial":
        trial = evidence.get("trials", {}).get(rest, {})
        return _statement(trial) if trial.get("completed") is True else None
    if kind == "hermetic":
        training = evidence.get("training") or {}
        return _statement(training) if training.get("hermetic", {}).get("level") in (rest, "attested") else None
    value = evidence.get(name)
    if name == "project":
        return (str(value["fingerprint"]),) if value else None
    items = value if isinstance(value, list) else [value]
    statements = tuple(s for i in items if i for s in _statement(i))
    return statements or None


def _statement(item: dict[str, Any]) -> tuple[str, ...]:
    digest = item.get("statement")
    return (digest,) if isinstance(digest, str) and digest else ()
