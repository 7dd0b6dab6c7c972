"""Heads that a quorum cosigned, kept from the day they were: later papers show by them when a statement had been seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from countermark.errors import CountermarkError
from countermark.keys.trust import Trust
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.ledger.reader import LogReader
from countermark.lifecycle import ledger_place, views
from countermark.lifecycle.desk import Desk, read_file
from countermark.passport.slip import key_of_note
from countermark.passport.times import Times, quorum_time

FOLDER = "witnessed"
MOST = 12  # each costs a passport about a kilobyte


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A head that the ledger extends, and when the quorum had seen it."""

    head: Checkpoint
    time: datetime


def keep(desk: Desk, trust: Trust, head: Checkpoint) -> None:
    """Keep a head that the quorum cosigned; of one size the one that shows the earlier time.

    The caller holds what guards the ledger's head.
    """
    time = quorum_time(head, trust, desk.now())
    if time is None:
        return
    folder = desk.space.disk.folder(desk.space.home / FOLDER)
    path = folder / f"{head.size}.checkpoint"
    known = _read(trust, path.read_bytes()) if path.exists() else None
    before = quorum_time(known, trust, desk.now()) if known is not None and known.root == head.root else None
    if before is None or time < before:
        desk.space.disk.write(path, head.note)


def known(desk: Desk, trust: Trust, newest: Checkpoint) -> list[Cosigned]:
    """The heads kept here that `newest` extends and the quorum of today's trust document cosigned, by size.

    One that does not hold shows nothing: a ledger that was restored, or a quorum of other witnesses.
    """
    files = sorted((desk.space.home / FOLDER).glob("*.checkpoint"))
    reader = views.reader_of(trust, ledger_place.reading(desk)) if files else None
    out = []
    for file in files:
        head = _read(trust, read_file(file, MAX_NOTE_BYTES))
        time = quorum_time(head, trust, desk.now()) if head else None
        if reader and head and time and _extends(reader, head, newest):
            out.append(Cosigned(head, time))
    return sorted(out, key=lambda one: one.head.size)


def times(some: Iterable[Cosigned]) -> Times:
    """What they show of when entries were seen."""
    return Times(tuple((one.head.size, one.time) for one in some))


def chosen(some: Sequence[Cosigned], entries: Iterable[int]) -> list[Cosigned]:
    """Those by which each entry was seen first, at most `MOST`: spread evenly, with the first and the last among them."""
    first = {
        min((o for o in some if o.head.size > e), key=lambda o: (o.time, o.head.size), default=None) for e in entries
    }
    needed = [one for one in some if one in first]
    if len(needed) <= MOST:
        return needed
    return [needed[round(n * (len(needed) - 1) / (MOST - 1))] for n in range(MOST)]


def _read(trust: Trust, note: bytes) -> Checkpoint | None:
    try:
        return verify_checkpoint(note, key_of_note(trust, note))
    except CountermarkError:
        return None


def _extends(reader: LogReader, head: Checkpoint, newest: Checkpoint) -> bool:
    try:
        verify_consistency(head, newest, reader.consistency(head.size, newest))
    except CountermarkError:
        return False
    return True
