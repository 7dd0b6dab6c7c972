"""What may be asked of evidence and its verdict: is it shown, partly shown or not shown, and by which statements.

Nothing here takes anybody's word: a `Fact` that is shown names the statements that show it, or it is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from countermark.policy.shape import table, tables, text

State = Literal["shown", "partly", "not shown"]
STATES: tuple[State, ...] = ("shown", "partly", "not shown")


@dataclass(frozen=True, slots=True)
class Fact:
    """An answer from evidence.

    Attributes:
        state: never ``shown`` or ``partly`` without `evidence`. because: one line. evidence: digests (hex) of
            statements, of the policy, or of the trust document.
    """

    state: State
    because: str
    evidence: tuple[str, ...] = ()


def fact(state: State, because: str, *digests: str) -> Fact:
    """A fact; without a digest it falls back to not shown, whatever was claimed."""
    known = tuple(dict.fromkeys(d for d in digests if d))
    return Fact(state, because, known) if known else Fact("not shown", because)


@dataclass(frozen=True, slots=True)
class Look:
    """Evidence v1 and Verdict v1 of one model, with the questions that both tables put to them."""

    evidence: dict[str, Any]
    verdict: dict[str, Any]

    def one(self, stage: str) -> dict[str, Any]:
        """A stage that has one statement; empty where it is missing."""
        return table(self.evidence.get(stage))

    def many(self, stage: str) -> list[dict[str, Any]]:
        """A stage that has a list of statements."""
        return tables(self.evidence.get(stage))

    def digest(self, stage: str) -> str:
        """Digest of a stage's one statement, or empty text."""
        return text(self.one(stage).get("statement"))

    def admitted(self) -> list[dict[str, Any]]:
        """Deliveries that were admitted and still stand."""
        return [d for d in self.many("deliveries") if d.get("state") == "admitted"]

    def delivered(self) -> tuple[str, ...]:
        """Digests of their statements."""
        return tuple(text(d.get("statement")) for d in self.admitted())

    def holds(self, *rules: str) -> bool:
        """Whether the verdict has each of these rules, they hold, and none of them by a waiver."""
        by_id = {text(r.get("id")): r for r in tables(self.verdict.get("rules"))}
        return all(by_id.get(r, {}).get("ok") is True and not by_id[r].get("waived") for r in rules)

    def outcome(self, check: str) -> str:
        """Word of a check's outcome, or ``missing``."""
        stage = "screening" if check.startswith("data/") else "inspection"
        return text(table(table(self.one(stage).get("checks")).get(check)).get("outcome")) or "missing"

    def trial(self, trial: str) -> dict[str, Any]:
        """A trial that ran to its end; empty where none did."""
        found = table(self.one("trials").get(trial))
        ran = found.get("completed") is True and found.get("outcome") in ("passed", "found")
        return found if ran else {}

    def measures(self, trial: str) -> dict[str, dict[str, Any]]:
        """Measures of a finished trial by name."""
        return {text(m.get("name")): m for m in tables(self.trial(trial).get("measures"))}


def number(value: Any) -> float | None:
    """A number, or None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def interval(measure: dict[str, Any]) -> tuple[float, float, float] | None:
    """(value, low, high) of a measure; the value stands for a bound that was not computed."""
    value = number(measure.get("value"))
    if value is None:
        return None
    low, high = number(measure.get("low")), number(measure.get("high"))
    return value, value if low is None else low, value if high is None else high


def share(measure: dict[str, Any]) -> str:
    """A share for people: ``55 % (48 to 62)``."""
    got = interval(measure)
    if got is None:
        return "not measured"
    value, low, high = (round(100 * x) for x in got)
    return f"{value} % ({low} to {high})"
