"""A data owner says: this model fits the delivered halves of my canaries better than the withheld ones, at this probability of error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

CANARY_TEST = predicate_type("canary-test")
_LEAST, _ROUNDING = 1e-300, 1e-9


@dataclass(frozen=True, slots=True)
class CanaryTest:
    """What a test came to; its subject is the model's folder, or the file of answers of a served one.

    Attributes:
        p: probability that a model without the delivered halves does as well. p_after_tries: the same had the owner tried 2^64 keys, so that it is 2^64 p, or 1.
        false_alarm: from which p the model is said to know them. pairs, decided, better: as `tracing.lots.Lots`. pairs_left: of classes
            that the model does not know. delivery: digest of the statement that declared them. commitment: of the canary key.
        answers: whether answers were tested which somebody collected, not a model at hand. cannot_tell: what does not follow.
    """

    context: Context
    p: float
    p_after_tries: float
    false_alarm: float
    pairs: int
    decided: int
    better: int
    pairs_left: int
    delivery: str
    commitment: str
    answers: bool
    cannot_tell: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether the model is said to know the delivered halves."""
        return self.p <= self.false_alarm

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(), "p": self.p, "p_after_tries": self.p_after_tries, "false_alarm": self.false_alarm,
            "pairs": self.pairs, "decided": self.decided, "better": self.better, "pairs_left": self.pairs_left, "delivery": self.delivery,
            "commitment": self.commitment, "answers": self.answers, "cannot_tell": list(self.cannot_tell),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> CanaryTest:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, or numbers that contradict each other.
        """
        fields = Fields(value, "canary test")
        out = cls(
            Context.from_json(fields.object("context")), fields.number("p", _LEAST, 1), fields.number("p_after_tries", _LEAST, 1),
            fields.number("false_alarm", _LEAST, 0.05), fields.integer("pairs", least=1), fields.integer("decided"), fields.integer("better"),
            fields.integer("pairs_left"), fields.hex("delivery"), fields.hex("commitment"), fields.boolean("answers"), fields.texts("cannot_tell"),
        )  # fmt: skip
        fields.done()
        least = 0.5**out.decided if out.decided < 1000 else 0.0
        if (
            not out.better <= out.decided <= out.pairs
            or out.p_after_tries < min(1.0, out.p * 2.0**64) * (1 - _ROUNDING)
            or out.p < least
            or not out.cannot_tell
        ):
            raise StatementRefused(
                "a canary test contradicts itself, or says nothing of what it cannot tell",
                why=f"{out.better} of {out.decided} of {out.pairs} pairs, p {out.p:g}, at least {least:g} possible",
            )
        return out
