"""Statements about rows: quarantine (set aside) and decision (a person accepts, relabels or rejects)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

QUARANTINE = predicate_type("quarantine")
DECISION = predicate_type("decision")
ACTIONS = ("accept", "relabel", "reject", "undo")


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Row ids that no training may see, why, and the screening statement that led here."""

    context: Context
    rows: tuple[str, ...]
    reason: str
    screening: str | None

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "rows": list(self.rows),
            "reason": self.reason,
            "screening": self.screening,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Quarantine:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "quarantine")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.texts("rows"),
            fields.text("reason"),
            fields.optional_hex("screening"),
        )
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about rows; the newest decision about a row counts, ``undo`` takes it back."""

    context: Context
    rows: tuple[str, ...]
    action: str
    label: str | None

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "rows": list(self.rows),
            "action": self.action,
            "label": self.label,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Decision:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, an unknown action, or a relabel without a label.
        """
        fields = Fields(value, "decision")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.texts("rows"),
            fields.text("action"),
            fields.optional_text("label"),
        )
        fields.done()
        if out.action not in ACTIONS:
            raise StatementRefused(f"unknown decision {out.action!r}", mend=f"one of {', '.join(ACTIONS)}")
        if (out.action == "relabel") != (out.label is not None):
            raise StatementRefused("a relabel needs a label, and nothing else takes one")
        return out
