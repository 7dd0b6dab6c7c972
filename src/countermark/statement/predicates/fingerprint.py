"""A model owner says: this file speaks of these licensees' copies, at this rate of false accusations, and this was not looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

TRACE = predicate_type("fingerprint-trace")
MOST_NAMED, MOST_TENSORS = 1000, 20_000


@dataclass(frozen=True, slots=True)
class Accused:
    """A licensee whose copy the file speaks of: score, and log10 of the bound on an innocent's probability of it (0 or below)."""

    licensee: str
    score: float
    log10_p: float

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"licensee": self.licensee, "score": self.score, "log10_p_bound": self.log10_p}


@dataclass(frozen=True, slots=True)
class FingerprintTrace:
    """What a trace came to; the leaked file is the statement's subject, by tree digest and by SHA-256.

    Attributes:
        named: over the threshold, the highest first; may be empty. licensees, licensees_sha256: how many were on the list, and the digest
            of the list: their names in byte order, each with a newline. false_accusation: bound that anybody innocent on it is named.
        threshold: score from which a licensee is named; None where nothing was read. strength: of the marks that were looked for.
        original: digest of the original's weights. key_commitment: of the fingerprint key. compared: share of marked weights read.
        not_looked_at: the file's tensors that were not read, and the original's that were not found, a line each.
        cannot_tell: what does not follow.
    """

    context: Context
    named: tuple[Accused, ...]
    licensees: int
    licensees_sha256: str
    false_accusation: float
    threshold: float | None
    strength: float
    original: str
    key_commitment: str
    compared: float
    not_looked_at: tuple[str, ...]
    cannot_tell: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(), "named": [one.to_json() for one in self.named], "licensees": self.licensees,
            "licensees_sha256": self.licensees_sha256, "false_accusation": self.false_accusation, "threshold": self.threshold,
            "strength": self.strength, "original": self.original, "key_commitment": self.key_commitment, "compared": self.compared,
            "not_looked_at": list(self.not_looked_at), "cannot_tell": list(self.cannot_tell),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FingerprintTrace:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, a rate or share outside its range, or somebody is named below the threshold or the bound.
        """
        fields = Fields(value, "trace")
        out = cls(
            Context.from_json(fields.object("context")), _named(fields.items("named")), fields.integer("licensees", least=1),
            fields.hex("licensees_sha256"), fields.number("false_accusation", 0, 1), _threshold(fields),
            fields.number("strength", 0, 1), fields.hex("original"), fields.hex("key_commitment"), fields.number("compared", 0, 1),
            fields.texts("not_looked_at"), fields.texts("cannot_tell"),
        )  # fmt: skip
        fields.done()
        out._must_hold_together()
        return out

    def _must_hold_together(self) -> None:
        """Numbers that contradict each other accuse nobody."""
        if len(self.not_looked_at) > MOST_TENSORS or not self.cannot_tell or not self.false_accusation:
            raise StatementRefused(
                "a trace says at which rate it accuses, what it cannot tell, and not endlessly what was not looked at"
            )
        if len({one.licensee for one in self.named}) != len(self.named) or len(self.named) > self.licensees:
            raise StatementRefused("a trace names a licensee twice, or more of them than there are")
        limit = math.log10(self.false_accusation) - math.log10(self.licensees)  # a quotient could be nought
        if any(
            self.threshold is None or one.score < self.threshold or one.log10_p > limit + _SLACK for one in self.named
        ):
            raise StatementRefused("a trace names somebody whose score is below its own threshold or bound")


_SLACK = 1e-3


def _named(values: list[Any]) -> tuple[Accused, ...]:
    if len(values) > MOST_NAMED:
        raise StatementRefused(f"a trace names {len(values)} licensees; at most {MOST_NAMED} are taken")
    out = []
    for value in values:
        fields = Fields(value, "trace: named")
        out.append(
            Accused(
                fields.text("licensee", most=256),
                fields.number("score", 0, 1e6),
                fields.number("log10_p_bound", -1e6, 0),
            )
        )
        fields.done()
    return tuple(out)


def _threshold(fields: Fields) -> float | None:
    return None if fields.optional("threshold") is None else fields.number("threshold", 0, 1e6)
