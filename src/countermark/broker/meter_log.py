"""The meter log: every step of a licence's state is an entry of it first, durable before it is answered; so is an operator's end.

An operator's end is a step of `EVERY_HOST`, which no key has for its id, with count 0: entries of before are what they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from countermark.broker.typed_log import Entry, TypedLog
from countermark.canonical import Fields

EVERY_HOST = "0" * 64


@dataclass(frozen=True, slots=True)
class Moved(Entry):
    """One step.

    Attributes:
        at: POSIX seconds by the broker's clock. licence: hex. host: id of its key, hex, or `EVERY_HOST`. count, head, ended: after it.
    """

    WHAT: ClassVar[str] = "meter entry"
    VERSION: ClassVar[int] = 1
    at: int
    licence: str
    host: str
    count: int
    head: str
    ended: bool

    @classmethod
    def _read(cls, fields: Fields) -> Moved:
        return cls(
            fields.integer("at"), fields.hex("licence"), fields.hex("host"), fields.integer("count"), fields.hex("head"),
            fields.boolean("ended"),
        )  # fmt: skip


class MeterLog(TypedLog[Moved]):
    """All steps of one broker's meters."""

    KIND = Moved
