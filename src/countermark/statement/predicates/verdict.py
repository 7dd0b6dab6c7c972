"""The model owner says: policy, applied to this evidence, came to this verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

TYPE = predicate_type("verdict")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a verdict says of one rule, as a reader needs it.

    Attributes:
        id: of the rule. ok: it held, or was waived. until: end of the waiver that lifted it, "" where none did.
    """

    id: str
    ok: bool
    until: str = ""

    @classmethod
    def from_json(cls, value: Any) -> Ruled:
        """Parse what is needed; the rest of a ruling is for people.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "ruling")
        waived = fields.optional("waived")
        until = "" if waived is None else Fields(waived, "waiver of a ruling").text("until", most=40)
        return cls(fields.text("id"), fields.boolean("ok"), until)


@dataclass(frozen=True, slots=True)
class VerdictStatement:
    """A verdict (the policy room's canonical form) and what it rests on.

    Attributes:
        statements: payload digests of what every reader is shown. commitments: ledger leaves (hex) of what only auditors
            are: deliveries, and what was seen and decided in them. They say nothing to whoever may not see them.
    """

    context: Context
    verdict: dict[str, Any]
    statements: tuple[str, ...]
    commitments: tuple[str, ...]

    @property
    def admitted(self) -> bool:
        """Whether it admits its subject."""
        return bool(self.verdict["verdict"] == "admitted")

    @property
    def subject(self) -> str:
        """Tree digest of the model judged, hex."""
        return str(self.verdict["subject"])

    @property
    def policy(self) -> str:
        """SHA-256 hex of the policy applied."""
        return str(self.verdict["policy"]["digest"])

    @property
    def evidence(self) -> str:
        """SHA-256 hex of the canonical evidence judged."""
        return str(self.verdict["evidence"])

    @property
    def rulings(self) -> tuple[Ruled, ...]:
        """Every rule."""
        return tuple(map(Ruled.from_json, self.verdict["rules"]))

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "verdict": self.verdict,
            "statements": list(self.statements),
            "commitments": list(self.commitments),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> VerdictStatement:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, neither admitted nor refused, or admitted although a rule does not hold.
        """
        fields = Fields(value, "verdict")
        leaves = "commitments" if "commitments" in value else "deliveries"  # their name before deliveries were not all
        out = cls(
            Context.from_json(fields.object("context")),
            fields.object("verdict"),
            fields.texts("statements"),
            fields.texts(leaves),
        )
        fields.done()
        _consistent(out)
        return out


def _consistent(said: VerdictStatement) -> None:
    """A verdict has its form, and admits only where every rule is met and there is at least one."""
    fields = Fields(said.verdict, "verdict")
    if fields.integer("format") != FORMAT or fields.any("verdict") not in ("admitted", "refused"):
        raise StatementRefused("a verdict is of an unknown format, or neither admitted nor refused")
    fields.hex("subject"), fields.hex("evidence"), fields.items("rules")
    policy = Fields(fields.object("policy"), "verdict: policy")
    policy.text("name"), policy.hex("digest")
    failing = [ruling.id for ruling in said.rulings if not ruling.ok]
    if said.admitted and (failing or not said.rulings):
        raise StatementRefused(
            "this verdict admits although not every rule is met", why=", ".join(failing)[:200] or "it lists no rule",
            mend="ask its signer, who is bound by the policy, for a verdict that follows from it",
        )  # fmt: skip
