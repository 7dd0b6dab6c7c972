"""A licensor's word about the time: the beacon, which is small enough for a note or a stick, and the owners' reset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.keys.document import moment
from countermark.statement.statement import Context, predicate_type

BEACON = predicate_type("beacon")
RESET = predicate_type("licence-reset")
MOST_BEACON_BYTES = 1024
_CODE = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Beacon:
    """It was signed at `context.time`, and the licensor's list of revoked licences had this epoch then.

    Attributes:
        epoch: 0 where there is no list yet. answers: the code that a host showed (16 hex digits), or "".
    """

    context: Context
    epoch: int
    answers: str = ""

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        said = {"context": self.context.to_json(), "epoch": self.epoch}
        return said | ({"answers": self.answers} if self.answers else {})

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Beacon:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "beacon")
        out = cls(
            Context.from_json(fields.object("context")), fields.integer("epoch"), fields.optional_text("answers") or ""
        )
        fields.done()
        moment(out.context.time)
        if out.answers and not _CODE.fullmatch(out.answers):
            raise StatementRefused("beacon: answers is no code of 16 hex digits")
        return out


@dataclass(frozen=True, slots=True)
class Reset:
    """An owner's root key sets one host's memory of the time, once.

    Attributes:
        answers: the code that this host showed: of this state as it is, so that it serves nowhere else and never again.
        time: RFC 3339 UTC to which mark and memory are set. reason: for every reader.
    """

    context: Context
    answers: str
    time: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {"context": self.context.to_json(), "answers": self.answers, "time": self.time, "reason": self.reason}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Reset:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "reset")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.text("answers", most=16),
            fields.text("time", most=40),
            fields.text("reason", most=400),
        )
        fields.done()
        moment(out.context.time), moment(out.time)
        if not _CODE.fullmatch(out.answers):
            raise StatementRefused("reset: answers is no code of 16 hex digits")
        return out
