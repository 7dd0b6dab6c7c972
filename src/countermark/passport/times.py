"""By when a statement was seen: the time at which a quorum of witnesses had cosigned a head that covers its entry.

It proves *not later than*, and nothing else: a statement may be older, and what its signer says of its time stays a claim. So it may
refuse what a claimed time would let pass, and never the other way round. Where no quorum saw it, the time is only `claimed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from countermark.errors import LedgerRefused
from countermark.keys.ends import quorum_of
from countermark.keys.quorum import Quorum
from countermark.keys.trust import Trust
from countermark.ledger import cosignature
from countermark.ledger.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Times:
    """Heads of one ledger that a quorum cosigned, each verified to be a beginning of the one that receipts lead to.

    Attributes:
        heads: (entries, time at which the quorum was complete).
    """

    heads: tuple[tuple[int, datetime], ...] = ()

    def by(self, entry: int) -> datetime | None:
        """The earliest of these times at which the entry was covered; None where no head covers it."""
        return min((time for size, time in self.heads if size > entry), default=None)


NONE = Times()


def quorum_time(head: Checkpoint, trust: Trust, now: datetime) -> datetime | None:
    """When the quorum that the trust document names had cosigned this head: the last of those who were enough first.

    Args:
        head: its log's signature was verified already. now: clock reading; cosignatures ahead of it count for nothing.

    Returns:
        UTC, whole seconds; None where no quorum is named, or it did not cosign.
    """
    rule = quorum_of(trust.document)
    return _quorum_time(head, _Rule(rule), now) if rule.needed else None


class _Rule:
    """A quorum as a key of what is remembered: its text, and the ends of its keys."""

    def __init__(self, rule: Quorum) -> None:
        self.rule = rule
        self._key = rule.source, rule.ledger_ends, tuple(w.until for w in rule.witnesses)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rule) and self._key == other._key


@lru_cache(maxsize=256)
def _quorum_time(head: Checkpoint, asked: _Rule, now: datetime) -> datetime | None:
    """Remembered, because the receipts of one passport all carry the same head."""
    rule = asked.rule
    try:
        time = cosignature.witnessed(head, rule, now).time
    except LedgerRefused:
        return None
    return datetime.fromtimestamp(time, UTC) if time else None


def stamp(time: datetime) -> str:
    """RFC 3339, as everywhere here."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def words(by: datetime | None, claimed: str) -> str:
    """What a page says of a statement's time."""
    return f"claimed {claimed}" if by is None else f"witnessed by {stamp(by)}"
