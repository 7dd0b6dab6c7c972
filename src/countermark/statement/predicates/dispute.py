"""A supplier answers a letter: these rows are right as delivered, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

DISPUTE = predicate_type("dispute")
MOST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a supplier says to a letter; it changes nothing by itself: the data owner decides.

    Attributes:
        letter, delivery: digests of the statements it is about. rows: paths in that delivery. says: at most 2,000 characters.
    """

    context: Context
    letter: str
    delivery: str
    rows: tuple[str, ...]
    says: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "letter": self.letter,
            "delivery": self.delivery,
            "rows": list(self.rows),
            "says": self.says,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Dispute:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, no rows, or words that are missing or too many.
        """
        fields = Fields(value, "dispute")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.hex("letter"),
            fields.hex("delivery"),
            fields.texts("rows"),
            fields.text("says"),
        )
        fields.done()
        if not out.rows or not out.says.strip() or len(out.says) > MOST_WORDS:
            raise StatementRefused(
                "a dispute names rows and says why", mend=f"at least one row, 1 to {MOST_WORDS} characters"
            )
        return out
