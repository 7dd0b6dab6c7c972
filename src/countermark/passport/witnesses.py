"""What every page says of witnesses: who of the quorum cosigned a ledger head, or that nobody need have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from countermark.errors import LedgerRefused
from countermark.keys.ends import quorum_of
from countermark.keys.trust import Trust
from countermark.ledger import cosignature
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.note import Note

UNWITNESSED = "unwitnessed: the operator could rewrite this history"
NOT_YET = "not cosigned by the quorum yet: the operator could rewrite this history"


def cosigned(heads: Sequence[Checkpoint], trust: Trust, now: datetime) -> str:
    """The words, where no quorum is named or enough of it cosigned.

    Args:
        heads: one and the same head, verified; the cosignatures of all their notes count together.

    Raises:
        LedgerRefused: the quorum that the trust document names did not cosign. That it names none is the only way to need none.
    """
    rule = quorum_of(trust.document)
    if not rule.needed:
        return UNWITNESSED
    first, *others = heads
    lines = [line for head in others if head.note != first.note for line in Note.from_bytes(head.note).signatures]
    seen = cosignature.witnessed(cosignature.with_cosignatures(first, lines), rule, now)
    return f"witnessed by {', '.join(seen.witnesses)} at {seen.when}"


def told(head: Checkpoint, trust: Trust, now: datetime) -> str:
    """The words for a head that need not be cosigned yet."""
    try:
        return cosigned([head], trust, now)
    except LedgerRefused:
        return NOT_YET
