"""The model owner says: policy, applied to this evidence, came to this verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

TYPE = predicate_type("verdict")


@dataclass(frozen=True, slots=True)
class VerdictStatement:
    """A verdict (the policy room's canonical form) and what it rests on.

    Attributes:
        statements: payload digests, deliveries apart. deliveries: ledger leaves (hex) of the admitted deliveries,
            which say nothing to whoever may not see them.
    """

    context: Context
    verdict: dict[str, Any]
    statements: tuple[str, ...]
    deliveries: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "verdict": self.verdict,
            "statements": list(self.statements),
            "deliveries": list(self.deliveries),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> VerdictStatement:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, or neither admitted nor refused.
        """
        fields = Fields(value, "verdict")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.object("verdict"),
            fields.texts("statements"),
            fields.texts("deliveries"),
        )
        fields.done()
        if out.verdict.get("verdict") not in ("admitted", "refused"):
            raise StatementRefused("a verdict is neither admitted nor refused")
        return out
