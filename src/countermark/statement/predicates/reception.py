"""The data owner says: this delivery was admitted, or refused, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

TYPE = predicate_type("reception")
State = Literal["admitted", "refused"]


@dataclass(frozen=True, slots=True)
class Reception:
    """The answer to one delivery statement; reasons are file-level and in the reader's words."""

    context: Context
    delivery: str
    state: State
    reasons: tuple[str, ...]
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "delivery": self.delivery,
            "state": self.state,
            "reasons": list(self.reasons),
            "rows": self.rows,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Reception:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "reception")
        state = fields.text("state")
        if state not in ("admitted", "refused"):
            raise StatementRefused(f"reception in unknown state {state!r}")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.hex("delivery"),
            "admitted" if state == "admitted" else "refused",
            fields.texts("reasons"),
            fields.integer("rows"),
        )
        fields.done()
        return out
