"""Rebuild what is kept of statements: what follows from the ledger is made again, what others still hold is taken back.

A receipt follows from the ledger's entries. The signed words and what opens their leaf do not: the words come back from a
copy in this workspace (a delivery, its answer) or from a file that somebody kept, what opens the leaf only from a slip. Nothing is taken that
does not open an entry of the ledger and bear its signer's signature. What stays missing is told, with whom to ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from countermark import dsse
from countermark.errors import CountermarkError, LedgerRefused, TrustRefused
from countermark.keys.trust import Trust
from countermark.ledger.audit import audit
from countermark.ledger.receipt import Receipt
from countermark.ledger.record import Opening
from countermark.lifecycle import book, care, deliveries, filed, ledger_place, lookup, parcel
from countermark.lifecycle.care import Progress, Trouble
from countermark.lifecycle.desk import Desk, read_file
from countermark.passport import passport
from countermark.passport.passport import Passport
from countermark.passport.slip import Slip, record_for
from countermark.statement.statement import Statement
from countermark.workspace.index import Row

FROM = "`countermark ledger rebuild-index --from FILE`"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made again, and what is still missing.

    Attributes:
        statements: how many got their signed words or their opening back. receipts: how many were made again. aside: digests
            of statements that were cut short before the ledger had them, moved out of the way. indexed: statements in the index.
    """

    statements: int
    receipts: int
    aside: tuple[str, ...]
    indexed: int
    missing: tuple[Trouble, ...]


def rebuild(desk: Desk, files: Sequence[Path] = (), progress: Progress | None = None) -> Rebuilt:
    """Restore statements and openings that were lost, make receipts again, and the index anew.

    Interrupted, it is simply run again: each file is replaced whole.

    Args:
        files: slips, answers, passports, deliveries or bare statements that somebody kept.

    Raises:
        LedgerRefused: the ledger itself does not hold (`care.fsck` tells what). Unusable: a file cannot be read or written.
        StatementRefused: one of `files` is malformed.
    """
    trust, offered = desk.trust(expired=True), [slip for file in files for slip in carried(file)]
    with desk.space.lock():
        reader = care.reader_of(desk, trust)
        head = reader.checkpoint()
        audit(ledger_place.reading(desk), reader.key, progress=progress)
        kept = _Kept(desk, trust, care.leaves(reader, head), lookup.remembered(desk))
        statements = kept.restore([*offered, *(_here(desk) if kept.lost() else ())])
        receipts = 0
        for index, digest in kept.whole.items():
            if not _good(path := filed.path(desk, digest, "tlog-proof"), index):
                desk.space.disk.write(path, reader.receipt(index, head).to_bytes())
                receipts += 1
        book.tidy(desk)
        aside = tuple(kept.set_aside())
        indexed, broken = lookup.rebuild(desk)
        missing = [*kept.missing(), *kept.untold(broken)]
    return Rebuilt(statements, receipts, aside, indexed, tuple(missing))


def carried(file: Path) -> list[Slip]:
    """The statements in a file that another party kept; nothing is verified.

    Raises:
        Unusable: it cannot be read. Refusal: malformed.
    """
    data = read_file(file, passport.MAX_BYTES)
    if file.name.endswith(passport.SUFFIX):
        return list(Passport.from_bytes(data).slips())
    if file.name.endswith(parcel.SUFFIX):
        return [Slip(parcel.parse_head(data.partition(b"\n")[0], what=file.name).envelope)]
    return [Slip.from_bytes(data, what=file.name)]


def _here(desk: Desk) -> Iterator[Slip]:
    """Statements of which this workspace keeps a second copy: deliveries and their answers."""
    return (Slip(envelope) for envelope in deliveries.copies(desk))


class _Kept:
    """What lies in the statements' folder, held against the ledger's entries; the caller holds the lock.

    Attributes:
        whole: entry -> digest of the statement that opens it, words and opening being here.
    """

    def __init__(self, desk: Desk, trust: Trust, where: dict[bytes, int], hints: dict[int, Row]) -> None:
        self._desk, self._trust, self._where, self._hints = desk, trust, where, hints
        self._openings = dict(self._read_openings())
        self.whole: dict[int, str] = {}
        for digest in self._digests("json"):
            self._take(self._kept(digest))

    def lost(self) -> list[int]:
        """Entries that no statement here opens."""
        return sorted(set(self._where.values()) - self.whole.keys())

    def restore(self, slips: Iterable[Slip]) -> int:
        """Write what opens an entry that nothing here opened; returns how many."""
        before = len(self.whole)
        for slip in slips:
            one = Slip(slip.envelope, slip.opening or self._openings.get(slip.envelope.digest))
            if one.opening is not None and self._take(one):
                self._write(one.envelope.digest, "json", one.envelope.to_bytes())
                self._write(one.envelope.digest, "opening", one.opening.to_bytes())
        return len(self.whole) - before

    def set_aside(self) -> Iterator[str]:
        """Move statements whose entering was cut short before the ledger had them out of the way; nothing is deleted."""
        folder = self._desk.space.folder("statements")
        for digest in self._digests("json"):
            if care.never_entered(self._desk, digest, self._where) and not self._hinted(digest):
                target = self._desk.space.disk.folder(folder / care.ASIDE)
                for suffix in ("json", "opening", "entering"):
                    if (path := filed.path(self._desk, digest, suffix)).exists():
                        self._desk.space.disk.move(path, target / path.name)
                yield digest

    def missing(self) -> Iterator[Trouble]:
        """Entries that nothing here opens, and statements that the ledger does not know."""
        records = {self._where.get(o.leaf()): o.record for o in self._openings.values()}
        for entry in self.lost():
            if record := records.get(entry):
                yield _words_lost(entry, record.type, record.envelope, record.signer)
            elif said := self._hints.get(entry) or self._claimed(entry):
                yield _opening_lost(entry, said.type, said.statement, said.party)
            else:
                yield _nothing_known(entry)
        for digest, opening in self._openings.items():
            if opening.leaf() not in self._where and filed.path(self._desk, digest, "tlog-proof").exists():
                yield _ledger_lost(digest)

    def untold(self, broken: list[tuple[str, CountermarkError]]) -> Iterator[Trouble]:
        """Statements that the index cannot take, apart from those that `missing` tells."""
        lost = set(self.lost())
        for digest, error in broken:
            if self._receipt_index(digest) not in lost:
                yield Trouble(f"statements/{digest}.json", care.told(error))

    def _take(self, slip: Slip) -> bool:
        entry = self._entry(slip)
        return entry is not None and self.whole.setdefault(entry, slip.envelope.digest) == slip.envelope.digest

    def _entry(self, slip: Slip) -> int | None:
        """The entry that a statement opens; None where it opens none, or does not bear its signer's signature."""
        entry = self._where.get(slip.opening.leaf()) if slip.opening else None
        if entry is None or slip.opening is None:
            return None
        signer = slip.opening.record.signer
        try:
            statement = Statement.from_bytes(slip.envelope.statement_bytes())
            signer = self._trust.verify(slip.envelope, "statement", self._desk.now(), leaf=entry).party.id
        except TrustRefused:
            pass  # its key was revoked since: the words are the ledger's all the same
        except CountermarkError:
            return None
        return entry if record_for(slip.envelope, statement, signer) == slip.opening.record else None

    def _kept(self, digest: str) -> Slip:
        try:
            envelope = dsse.Envelope.from_bytes(filed.path(self._desk, digest, "json").read_bytes())
        except CountermarkError:
            envelope = dsse.Envelope(dsse.IN_TOTO, b"", ())  # damaged: it opens nothing, and is replaced
        return Slip(envelope, self._openings.get(digest) if envelope.digest == digest else None)

    def _read_openings(self) -> Iterator[tuple[str, Opening]]:
        for digest in self._digests("opening"):
            try:
                yield digest, Opening.from_bytes(filed.path(self._desk, digest, "opening").read_bytes())
            except CountermarkError:
                continue  # damaged: its entry is told as one whose opening was lost

    def _claimed(self, entry: int) -> Row | None:
        """What the receipts and words that are left here say of an entry."""
        for digest in self._digests("json"):
            if self._receipt_index(digest) == entry:
                try:
                    said = Statement.from_bytes(self._kept(digest).envelope.payload)
                    party = self._trust.verify(
                        self._kept(digest).envelope, "statement", self._desk.now(), leaf=entry
                    ).party.id
                except CountermarkError:
                    return None
                return Row(entry, digest, said.predicate_type, party, said.digest, "")
        return None

    def _receipt_index(self, digest: str) -> int | None:
        try:
            return Receipt.from_bytes(filed.path(self._desk, digest, "tlog-proof").read_bytes()).index
        except (OSError, LedgerRefused):
            return None

    def _hinted(self, digest: str) -> bool:
        return any(row.statement == digest for row in self._hints.values())

    def _digests(self, suffix: str) -> list[str]:
        return [path.stem for path in care.files(self._desk, suffix)]

    def _write(self, digest: str, suffix: str, data: bytes) -> None:
        self._desk.space.disk.write(filed.path(self._desk, digest, suffix), data)


def _good(receipt: Path, index: int) -> bool:
    try:
        return Receipt.from_bytes(receipt.read_bytes()).index == index
    except (OSError, LedgerRefused):
        return False


def _words_lost(entry: int, kind: str, digest: str, signer: str) -> Trouble:
    return Trouble(
        f"entry {entry}", f"the signed words of statement {digest[:16]} are lost: {_kind(kind)} by {signer}",
        f"ask {signer}, who signed it, or whoever holds its slip, for the file; then {FROM}",
    )  # fmt: skip


def _opening_lost(entry: int, kind: str, digest: str, signer: str) -> Trouble:
    return Trouble(
        f"entry {entry}", f"what opens the leaf of statement {digest[:16]} is lost: {_kind(kind)} by {signer}",
        f"ask {signer}, who signed it, or whoever else it was handed to, for a slip, answer or passport that carries it; then {FROM}; "
        "or restore .countermark/statements from a copy",
    )  # fmt: skip


def _nothing_known(entry: int) -> Trouble:
    return Trouble(
        f"entry {entry}", "no statement here opens it, and nothing tells whose it is: its files were lost, or somebody else entered it",
        f"restore .countermark/statements from a copy, or ask all parties for slips, answers and passports; then {FROM}",
    )  # fmt: skip


def _ledger_lost(digest: str) -> Trouble:
    return Trouble(
        f"statements/{digest}.opening", "its receipt is of a ledger that had it; the ledger here has no such entry",
        "the ledger here is an older copy, or another one: restore the newest, and enter nothing before",
    )  # fmt: skip


def _kind(predicate_type: str) -> str:
    return predicate_type.rpartition(":predicate:")[2].partition(":")[0]
