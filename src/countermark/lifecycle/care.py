"""Care of a ledger: is all of it there and does it hold, and what is new since the last look.

`fsck` changes nothing; `rebuild` makes again what it can of what is lost. `monitor` remembers the last head that it saw, and raises an alarm where the ledger forgot it, forked, or holds an entry that nobody here entered: whoever has the ledger's
key besides its keeper shows in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import CountermarkError, LedgerRefused, TrustRefused
from countermark.keys.trust import Trust
from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.ledger.peer import SECONDS
from countermark.ledger.reader import LogReader
from countermark.ledger.record import Opening
from countermark.lifecycle import book, filed, ledger_place, lookup, views
from countermark.lifecycle.desk import Desk, read_file
from countermark.lifecycle.views import Compared, Forked, View
from countermark.passport.slip import verify

STATE = "monitor.json"
MAX_STATE_BYTES = MAX_NOTE_BYTES + 4096
ASIDE = "never-entered"
Progress = Callable[[int, int], None]
_LOST = "`countermark ledger rebuild-index` restores it, or tells from whom to get it"
_CUT_SHORT = (
    "nobody was told of it; `countermark ledger add` with its file enters it, `ledger rebuild-index` moves it aside"
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that does not hold: where, what, and what to do about it."""

    where: str
    what: str
    mend: str = ""


def reader_of(desk: Desk, trust: Trust) -> LogReader:
    """The ledger of this workspace."""
    return views.reader_of(trust, ledger_place.reading(desk))


class Fsck(NamedTuple):
    """What `fsck` saw: the head, what does not hold, and statements of which the ledger never had an entry (harmless)."""

    head: Checkpoint
    troubles: list[Trouble]
    unfinished: list[Trouble]


def fsck(desk: Desk, progress: Progress | None = None) -> Fsck:
    """Check tiles, entries, head and every statement kept here; changes nothing.

    Raises:
        LedgerRefused: there is no head, or the ledger's key did not sign it. TrustRefused: nothing is pinned.
    """
    trust = desk.trust(expired=True)
    reader = reader_of(desk, trust)
    out = Fsck(reader.checkpoint(), [], [])
    try:
        audit(ledger_place.reading(desk), reader.key, progress=progress)
        where = leaves(reader, out.head)
    except CountermarkError as error:
        out.troubles.append(Trouble("ledger/", told(error), "restore the ledger from a backup"))
        where = None
    known: dict[int, str] = {}
    for path in files(desk, "json"):
        if where is not None and never_entered(desk, path.stem, where):
            out.unfinished.append(
                Trouble(
                    f"statements/{path.name}", "the ledger has no entry of it: entering it was cut short", _CUT_SHORT
                )
            )
        else:
            out.troubles.extend(_statement(desk, trust, where, path, known))
    for index in sorted(set(range(out.head.size)) - known.keys()):
        out.troubles.append(
            Trouble(
                f"entry {index}", "no statement here opens it: its file was lost, or somebody else entered it", _LOST
            )
        )
    return out


def never_entered(desk: Desk, digest: str, where: dict[bytes, int]) -> bool:
    """Whether entering a statement was cut short before the ledger had it: it has no receipt, and opens no entry.

    Args:
        where: index of every entry (`leaves`).
    """
    if filed.path(desk, digest, "tlog-proof").exists():
        return False
    try:
        return Opening.from_bytes(filed.path(desk, digest, "opening").read_bytes()).leaf() not in where
    except FileNotFoundError:
        return True
    except CountermarkError:
        return False


def leaves(reader: LogReader, head: Checkpoint) -> dict[bytes, int]:
    """Index of every entry, by what it is."""
    return {leaf: index for index, leaf in enumerate(reader.entries(0, head.size, size=head.size))}


def _statement(
    desk: Desk, trust: Trust, where: dict[bytes, int] | None, path: Path, known: dict[int, str]
) -> Iterator[Trouble]:
    """Troubles of one statement; its entry goes into `known`. `where` is None in a ledger that does not hold itself."""
    try:
        slip = filed.slip(desk, path.stem)
        if slip.envelope.digest != path.stem:
            raise LedgerRefused("it is another statement than its name says", why=slip.envelope.digest)
        shown = verify(slip, trust, desk.now())
        index = slip.index()
        if where is not None and where.get(shown.slip.opening.leaf() if shown.slip.opening else b"") != index:
            raise LedgerRefused(f"the ledger does not hold it at entry {index}")
    except TrustRefused as error:  # a key that was revoked since: the entry is explained all the same
        known[slip.index()] = path.stem
        if "revoked" not in error.what:
            yield Trouble(f"statements/{path.name}", told(error))
    except (CountermarkError, OSError) as error:
        yield Trouble(f"statements/{path.name}", told(error), _LOST)
    else:
        if known.setdefault(index, path.stem) != path.stem:
            yield Trouble(f"statements/{path.name}", f"entry {index} is opened by two statements")


def reindex(desk: Desk) -> tuple[int, list[Trouble]]:
    """Make the index of statements anew from their files; returns how many it holds, and what cannot be read.

    Raises:
        Unusable: it cannot be written.
    """
    count, broken = lookup.rebuild(desk)
    return count, [Trouble(f"statements/{digest}.json", told(error)) for digest, error in broken]


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look showed: the head, the size seen before, and alarms."""

    head: Checkpoint
    before: int
    alarms: tuple[Trouble, ...]


def monitor(desk: Desk, where: str | None = None, *, clear: bool = False, seconds: float = SECONDS) -> Watched:
    """Look at a ledger, and compare it with the last look; the mark moves only where there is no alarm.

    Args:
        where: folder or URL of the ledger as somebody else serves it; entries there cannot be opened here, and none is asked for.
        clear: whether ``http://`` may leave this machine. seconds: patience with each object of it.

    Raises:
        Forked: it shows another history; the evidence is kept. LedgerRefused: it shows less than was seen, or no head that
            its key signed. Unusable: it cannot be read.
    """
    trust = desk.trust(expired=True)
    store = views.store_of(where, clear=clear, seconds=seconds) if where else None
    here = views.of_store(trust, where or "the ledger here", store or ledger_place.reading(desk))
    head, seen = here.head, _seen(desk, trust)
    if seen is not None:
        if seen.head.size > head.size:
            raise LedgerRefused(
                f"the ledger shows {head.size} entries; {seen.head.size} were seen before",
                why="an older state hides what came later", mend="ask its keeper; do not sign on from it",
            )  # fmt: skip
        compared(desk, seen, here)
    before = seen.head.size if seen else 0
    alarms = tuple(_unexplained(desk, trust, here.reader, before, head)) if where is None and here.reader else ()
    if not alarms:
        said = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "note": head.note.decode()}
        desk.space.disk.write(desk.space.home / STATE, canonical.to_bytes(said))
    return Watched(head, before, alarms)


def compared(desk: Desk, first: View, second: View) -> Compared:
    """Two views of the ledger, which agree; the evidence is kept where they do not.

    Raises:
        As `views.compare`.
    """
    try:
        return views.compare(first, second)
    except Forked as forked:
        if forked.fork.earlier:
            forked.mend = f"{forked.mend}; it is kept in {views.keep(desk, forked.fork)}"
        raise


def _unexplained(desk: Desk, trust: Trust, reader: LogReader, start: int, head: Checkpoint) -> Iterator[Trouble]:
    """Entries since the last look that nobody here entered, or whose signer does not count."""
    slips = {slip.opening.leaf(): slip for slip in book.every(desk, start) if slip.opening}
    for index, leaf in enumerate(reader.entries(start, head.size, size=head.size), start):
        if leaf not in slips:
            yield Trouble(f"entry {index}", "nobody here entered it: who else has the ledger's key?")
            continue
        try:
            verify(slips[leaf], trust, desk.now())
        except CountermarkError as error:
            yield Trouble(f"entry {index}", told(error))


def _seen(desk: Desk, trust: Trust) -> View | None:
    """What the last look saw; its signed note is missing in what older versions kept."""
    path = desk.space.home / STATE
    if not path.exists():
        return None
    fields = Fields(canonical.from_bytes(read_file(path, MAX_STATE_BYTES), what=STATE), STATE)
    origin, size, root = fields.text("origin"), fields.integer("size"), bytes.fromhex(fields.hex("root"))
    note = (fields.text("note", most=MAX_NOTE_BYTES) if fields.optional("note") else "").encode()
    fields.done()
    if origin != trust.document.ledger_origin:
        raise LedgerRefused(f"{STATE} is about another ledger", mend=f"remove {path} to begin anew")
    return View("the last look", Checkpoint(origin, size, root, note))


def files(desk: Desk, suffix: str) -> list[Path]:
    """The statements' files of one kind, in the order of their digests."""
    return sorted((desk.space.home / "statements").glob(f"*.{suffix}"))


def told(error: CountermarkError | OSError) -> str:
    """What is wrong, and why, in one line."""
    if not isinstance(error, CountermarkError):
        return str(error)
    return f"{error.what} ({error.why})" if error.why else error.what
