"""Restore: before a ledger that came back from a copy is written to, it must reach every head that somebody saw of it.

Signing on from an older copy would make a second history of the same ledger. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countermark.errors import LedgerRefused
from countermark.keys.trust import Trust
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.reader import LogReader
from countermark.lifecycle import ledger_place, views
from countermark.lifecycle.desk import Desk
from countermark.passport.slip import key_of_note, ledger_note_key


def refuse_older(desk: Desk, trust: Trust, files: Sequence[Path]) -> Checkpoint:
    """Compare the ledger here with heads that others hold; returns its own.

    Args:
        files: passports, slips, answers or checkpoints, of this project's ledger.

    Raises:
        LedgerRefused: one of them saw more entries, or another history; or a file shows no head of this ledger.
    """
    reader = LogReader(ledger_place.reading(desk), ledger_note_key(trust))
    head = reader.checkpoint()
    for file in files:
        note, _ = views.carried(file)
        seen = verify_checkpoint(note, key_of_note(trust, note))
        if seen.size > head.size:
            raise LedgerRefused(
                f"{file.name} saw {seen.size} entries of this ledger; here are {head.size}",
                why="what came between was lost; signing on from here would be a second history",
                mend="restore a newer copy; where there is none, the owners name a new ledger",
            )
        verify_consistency(seen, head, reader.consistency(seen.size, head) if seen.size else [])
    return head
