"""Looking statements up: what the index answers is compared with what was written to it, and with the ledger's head.

Hiding a statement is the one harm an index could do: a withdrawal that nobody finds withdraws nothing. So the index must
go up to the ledger's newest head; every answer is a whole shelf whose digest is known here (`coverage`); and while the
ledger has an entry that no statement here opens, the folder is looked through each time, because its file may have come
back. Without a ledger, or without room for an index, the folder itself answers, slowly.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from countermark.errors import CountermarkError, LedgerRefused, StatementRefused, Unusable
from countermark.lifecycle import filed
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.filed import Head
from countermark.passport.slip import Slip
from countermark.workspace.coverage import Coverage
from countermark.workspace.index import ENTRIES, Row, Shelf, shelves

FILE = "index.json"
_NO_SHELF = Shelf("digest", "-")


def rows(desk: Desk, *wanted: Shelf) -> list[Row]:
    """What stands on these shelves, in ledger order.

    Raises:
        LedgerRefused: others changed the index. Unusable: the server that the settings name cannot be reached.
        Refusal: a statement's file is damaged.
    """
    coverage = _current(desk)
    if coverage is None:
        return sorted(row for row in _scanned(desk) if set(shelves(row)) & set(wanted))
    try:
        return _answer(desk, coverage, wanted)
    except LedgerRefused:
        with desk.space.lock():  # a writer may have come between: it holds the lock until all is written
            again = _current(desk)
            if again is None or again == coverage:
                raise
            return _answer(desk, again, wanted)


def every(desk: Desk, start: int = 0) -> list[Row]:
    """All statements from an entry on, in ledger order.

    Raises:
        As `rows`.
    """
    coverage = _current(desk)
    if coverage is None:
        return sorted(row for row in _scanned(desk) if row.entry >= start)
    wanted = [s for s in coverage.shelves if s.kind == "entries" and (int(s.key) + 1) * ENTRIES > start]
    return [row for row in rows(desk, *wanted) if row.entry >= start]


def record(desk: Desk, before: Head, after: Head, slips: Iterable[Slip]) -> None:
    """Take up statements that were just entered, where the index was up to date before; the caller holds the lock.

    Otherwise, and where it cannot be written, it still names the older head, and the next look-up brings it up to date.
    """
    known = _read(desk)
    if known is None or not known.reaches(before):
        return
    fresh = [filed.row_of(one, one.envelope.digest) for one in slips]
    extended = known.extended(after, fresh)
    if extended is None:
        return
    with contextlib.suppress(Unusable, LedgerRefused):  # the ledger has them: that is what counts
        desk.index(desk.space).add(known.project, fresh)
        _write(desk, extended)


def rebuild(desk: Desk) -> tuple[int, list[tuple[str, CountermarkError]]]:
    """Make the index anew from the statements' files; returns how many it holds, and the files that cannot be read.

    Raises:
        Unusable: it cannot be written.
    """
    with desk.space.lock():
        head = filed.head(desk)
        if head is None:
            return 0, []
        found, broken = list[Row](), list[tuple[str, CountermarkError]]()
        for digest in sorted(filed.digests(desk)):
            try:
                found.append(filed.row_of(filed.slip(desk, digest), digest))
            except CountermarkError as error:
                broken.append((digest, error))
        _anew(desk, head, found)
    return len(found), broken


def remembered(desk: Desk) -> dict[int, Row]:
    """What the index still says of each entry, also of statements whose files are gone: a hint, never evidence; empty where it cannot tell."""
    known, head = _read(desk), filed.head(desk)
    try:
        found = _vouched(desk, known, head) if known and head else None
    except Unusable:
        return {}
    return {row.entry: row for row in found or ()}


def entered_before(desk: Desk, digests: Iterable[str]) -> dict[str, Row]:
    """What the index says of statements of these digests, by digest; a hint, as `remembered`."""
    known, wanted = _read(desk), set(digests)
    if known is None or not wanted:
        return {}
    try:
        found = _answer(desk, known, sorted({Shelf.of_digest(digest) for digest in wanted}))
    except (Unusable, LedgerRefused):
        return {}
    return {row.statement: row for row in found if row.statement in wanted}


def _scanned(desk: Desk) -> Iterator[Row]:
    return (filed.row_of(filed.slip(desk, digest), digest) for digest in filed.digests(desk))


def _answer(desk: Desk, coverage: Coverage, wanted: Iterable[Shelf]) -> list[Row]:
    index, out = desk.index(desk.space), list[Row]()
    for shelf in dict.fromkeys(wanted):
        if most := coverage.most(shelf):
            found = index.rows(coverage.project, shelf, most + 1) or []
            coverage.check(shelf, found)
            out += found
    return sorted(set(out))


def _current(desk: Desk) -> Coverage | None:
    """How far the index goes, once it was brought up to the ledger's head; None where there is none to ask."""
    head = filed.head(desk)
    if head is None:
        return None
    known = _read(desk)
    try:
        if known is not None and known.reaches(head) and _is_there(desk, known) and _nothing_new(desk, known):
            return known
        with desk.space.lock():
            return _caught_up(desk)
    except Unusable:
        if not desk.index(desk.space).optional:
            raise
        return None  # a read-only disc, or one without room


def _is_there(desk: Desk, known: Coverage) -> bool:
    try:
        return desk.index(desk.space).rows(known.project, _NO_SHELF, 1) is not None
    except LedgerRefused:
        return False


def _nothing_new(desk: Desk, known: Coverage) -> bool:
    return known.whole or known.files == _names(filed.digests(desk))


def _names(digests: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _caught_up(desk: Desk) -> Coverage | None:
    """Add what the index lacks, or make it anew where it cannot be believed; the caller holds the lock."""
    head, known = filed.head(desk), _read(desk)
    if head is None:
        return None
    vouched = _vouched(desk, known, head) if known else None
    if known is None or vouched is None:
        return _anew(desk, head, list(_scanned(desk)))
    here, old = set(filed.digests(desk)), {row.statement for row in vouched}
    fresh = [filed.row_of(filed.slip(desk, digest), digest) for digest in here - old]
    if fresh:
        desk.index(desk.space).add(known.project, fresh)
    return _write(desk, Coverage.of(known.project, known.place, head, sorted([*vouched, *fresh]), _names(here)))


def _vouched(desk: Desk, known: Coverage, head: Head) -> list[Row] | None:
    """The rows that were written, where the index still has them all; a crash may have left more behind them."""
    grown = known.size < head[0] or known.reaches(head)
    if not grown or not _is_there(desk, known):
        return None
    index, out = desk.index(desk.space), list[Row]()
    try:
        for shelf in (s for s in known.shelves if s.kind == "entries"):
            found = index.rows(known.project, shelf, known.most(shelf)) or []
            known.check(shelf, found)
            out += found
    except LedgerRefused:
        return None
    return out


def _anew(desk: Desk, head: Head, found: Sequence[Row]) -> Coverage:
    project, index = desk.mark().fingerprint, desk.index(desk.space)
    desk.space.disk.unlink(desk.space.home / FILE)  # what it said is not true of the index from now on
    index.replace(project, found)
    return _write(desk, Coverage.of(project, index.place, head, sorted(found), _names(row.statement for row in found)))


def _read(desk: Desk) -> Coverage | None:
    """What was written to the index of this project that the settings name; None where nothing was."""
    try:
        out = Coverage.from_bytes((desk.space.home / FILE).read_bytes())
    except (OSError, StatementRefused):
        return None
    here = desk.mark().fingerprint, desk.index(desk.space).place
    return out if out is not None and (out.project, out.place) == here else None


def _write(desk: Desk, coverage: Coverage) -> Coverage:
    desk.space.disk.write(desk.space.home / FILE, coverage.to_bytes())
    return coverage
