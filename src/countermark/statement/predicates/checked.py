"""Statements that carry outcomes of checks or trials: screening, inspection, trial.

One shape serves the three stages; each has its own predicate type and its own facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

SCREENING = predicate_type("screening")
INSPECTION = predicate_type("inspection")
TRIAL = predicate_type("trial")
TYPES = (SCREENING, INSPECTION, TRIAL)
OUTCOMES = ("passed", "found", "skipped", "failed")


@dataclass(frozen=True, slots=True)
class Checked:
    """Outcomes by check id (``outcome_to_json`` form plus version and code digest) and stage facts."""

    context: Context
    checks: dict[str, dict[str, Any]]
    facts: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {"context": self.context.to_json(), "checks": self.checks, "facts": self.facts}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Checked:
        """Parse strictly down to the outcome words.

        Raises:
            StatementRefused: malformed, or an outcome nobody knows.
        """
        fields = Fields(value, "checked statement")
        out = cls(Context.from_json(fields.object("context")), fields.object("checks"), fields.object("facts"))
        fields.done()
        for check, outcome in out.checks.items():
            if not isinstance(outcome, dict) or outcome.get("outcome") not in OUTCOMES:
                raise StatementRefused(f"check {check!r} has no outcome", mend=f"one of {', '.join(OUTCOMES)}")
        return out
