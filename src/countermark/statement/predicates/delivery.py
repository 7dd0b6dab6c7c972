"""A supplier says: this folder is mine, for this addressee, as number n of my deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields, unprintable
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

TYPE = predicate_type("delivery")
LAYOUTS = ("folder-per-class", "metadata", "shards")


@dataclass(frozen=True, slots=True)
class Canaries:
    """That records were drawn in pairs of which one half was withheld: how many pairs, and the commitment to which (hex); not which."""

    pairs: int
    commitment: str

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"pairs": self.pairs, "commitment": self.commitment}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a delivery holds: layout, rows per class, and the sum of bytes.

    `replaces` names the statement of an earlier delivery of the same supplier whose rows this one corrects;
    once this one is admitted, those rows are no longer part of the training data. `stripped` counts the files whose
    metadata was left out before signing, by kind of identifier; None where nothing was stripped. `canaries` declares pairs of records of
    which a secret coin withheld one half; None where there are none.
    """

    context: Context
    layout: str
    classes: dict[str, int]
    total_bytes: int
    replaces: str | None = None
    stripped: dict[str, int] | None = None
    canaries: Canaries | None = None

    @property
    def rows(self) -> int:
        """Number of labelled files."""
        return sum(self.classes.values())

    def to_json(self) -> dict[str, Any]:
        """Predicate; what was not stripped, and canaries that are not there, are not mentioned."""
        stripped = {} if self.stripped is None else {"stripped": self.stripped}
        return {
            "context": self.context.to_json(),
            "layout": self.layout,
            "classes": self.classes,
            "bytes": self.total_bytes,
            "replaces": self.replaces,
            **stripped,
            **({} if self.canaries is None else {"canaries": self.canaries.to_json()}),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Delivery:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "delivery")
        classes = fields.object("classes")
        counts = Fields(classes, "delivery: classes")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.text("layout"),
            {label: counts.integer(label, least=1) for label in classes},
            fields.integer("bytes"),
            fields.optional_hex("replaces"),
            _stripped(fields),
            _canaries(fields),
        )
        fields.done()
        hidden = [label for label in classes if unprintable(label)]
        if hidden:
            raise StatementRefused(f"delivery: the class {hidden[0]!r:.80} holds a control character")
        if out.layout not in LAYOUTS:
            raise StatementRefused(f"delivery of unknown layout {out.layout!r}", mend=f"one of {', '.join(LAYOUTS)}")
        return out


def _stripped(fields: Fields) -> dict[str, int] | None:
    if fields.optional("stripped") is None:
        return None
    counts = Fields(fields.object("stripped"), "delivery: stripped")
    out = {kind: counts.integer(kind) for kind in fields.object("stripped")}
    if any(unprintable(kind) or len(kind) > 40 for kind in out):
        raise StatementRefused("delivery: stripped names a kind that is no short word")
    return out


def _canaries(fields: Fields) -> Canaries | None:
    if fields.optional("canaries") is None:
        return None
    said = Fields(fields.object("canaries"), "delivery: canaries")
    out = Canaries(said.integer("pairs", least=1), said.hex("commitment"))
    said.done()
    return out
