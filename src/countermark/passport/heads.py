"""Earlier heads that a passport brings along, each cosigned in its time: they show by when its statements were seen."""

from __future__ import annotations

from datetime import datetime

from countermark.errors import LedgerRefused
from countermark.keys.trust import Trust
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.receipt import Receipt
from countermark.passport.passport import Passport
from countermark.passport.slip import key_of_note
from countermark.passport.times import NONE, Times, quorum_time


def times(passport: Passport, trust: Trust, now: datetime) -> Times:
    """When the quorum had seen each of the heads that the passport brings.

    Each is signed by the ledger's key, and the head of the verdict's receipt extends it: so what stands in it at an entry is what
    the receipts show there. One that today's quorum did not cosign shows nothing.

    Raises:
        LedgerRefused: a head does not hold, or that the ledger extends it is not shown.
    """
    if not passport.heads or passport.verdict.receipt is None:
        return NONE
    note = Receipt.from_bytes(passport.verdict.receipt).checkpoint
    newest = verify_checkpoint(note, key_of_note(trust, note))
    seen = [
        (head.size, quorum_time(head, trust, now))
        for head in (_one(n, passport, newest, trust) for n in passport.heads)
    ]
    return Times(tuple((size, time) for size, time in seen if time))


def _one(note: bytes, passport: Passport, newest: Checkpoint, trust: Trust) -> Checkpoint:
    head = verify_checkpoint(note, key_of_note(trust, note))
    if head.size < newest.size and head.size not in passport.consistency:
        raise LedgerRefused(
            f"not shown: that the passport's ledger extends the head of {head.size} entries that it brings",
            mend="ask the owner for a fresh passport",
        )
    verify_consistency(head, newest, passport.consistency[head.size] if head.size < newest.size else ())
    return head
