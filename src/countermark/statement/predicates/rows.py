"""Statements about rows: quarantine (set aside), decision (a person accepts, relabels or rejects), letter to a supplier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

QUARANTINE = predicate_type("quarantine")
DECISION = predicate_type("decision")
LETTER = predicate_type("letter")
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


@dataclass(frozen=True, slots=True)
class Letter:
    """What the data owner writes to one supplier: its own rows and what was seen, nobody else's.

    Attributes:
        delivery: digest of the supplier's delivery statement. rows: (path in that delivery, what was seen).
        asks: what the supplier is asked to do.
    """

    context: Context
    delivery: str
    rows: tuple[tuple[str, str], ...]
    asks: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "delivery": self.delivery,
            "rows": [{"path": path, "seen": seen} for path, seen in self.rows],
            "asks": self.asks,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Letter:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "letter")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.hex("delivery"),
            tuple(_seen(r) for r in fields.items("rows")),
            fields.text("asks"),
        )
        fields.done()
        return out


def _seen(value: Any) -> tuple[str, str]:
    fields = Fields(value, "letter row")
    out = fields.text("path"), fields.text("seen")
    fields.done()
    return out
