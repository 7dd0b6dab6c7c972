"""Views of the project's ledger: what each party was shown of it. Two views of one ledger agree, or prove that it lied.

A view is a folder or URL of the tiles, or a file that carries a head: a checkpoint, slip, answer, passport. Only the trust document
says which key signs heads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from countermark.errors import LedgerRefused, NothingToVerify
from countermark.keys.trust import Trust
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.fork import MAX_BYTES, Fork
from countermark.ledger.peer import SCHEMES, SECONDS
from countermark.ledger.reader import LogReader, Readable
from countermark.ledger.receipt import Receipt
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.web import WebStore
from countermark.lifecycle.desk import Desk, read_file
from countermark.passport import passport
from countermark.passport.passport import Passport
from countermark.passport.slip import Slip, key_of_note

FORKS = "forks"


@dataclass(frozen=True, slots=True)
class View:
    """What one party was shown, its head verified.

    Attributes:
        name: where it comes from. reader: of its tiles, where it has any. proofs: earlier size -> consistency proof.
    """

    name: str
    head: Checkpoint
    reader: LogReader | None = None
    proofs: dict[int, tuple[bytes, ...]] = field(default_factory=dict)

    def proof(self, size: int) -> tuple[bytes, ...] | None:
        """Proof that its head extends its own first `size` entries; None where it brings none."""
        if size in (0, self.head.size):
            return ()
        return tuple(self.reader.consistency(size, self.head)) if self.reader else self.proofs.get(size)

    def root(self, size: int) -> bytes | None:
        """Root of its first `size` entries; None where it has no tiles."""
        if size == self.head.size:
            return self.head.root
        return self.reader.tree(self.head.size).prefix(size) if self.reader else None


class Forked(LedgerRefused):
    """Two histories of one ledger. `fork` shows it to anybody who trusts the ledger's key."""

    def __init__(self, fork: Fork, earlier: View, later: View) -> None:
        super().__init__(
            f"the ledger shows two histories: {earlier.name:.120} and {later.name:.120} cannot both be true",
            why=f"{earlier.head.size} entries with root {earlier.head.root.hex()}; there the same entries have root {fork.root.hex()}",
            mend="its keeper signed both: show the evidence to the other parties, and let the owners name another keeper",
        )
        self.fork = fork


def is_url(where: str) -> bool:
    """Whether a view is asked for over the network."""
    return where.partition("://")[0].lower() in SCHEMES


def store_of(where: str, *, clear: bool = False, seconds: float = SECONDS) -> Readable:
    """The tiles that somebody serves, at a URL or in a folder; nothing is written there.

    Raises:
        Unusable: no such address, or ``http://`` to another machine while `clear` is false.
    """
    return WebStore(where, clear=clear, seconds=seconds) if is_url(where) else FileStore.reading(Path(where))


def read(trust: Trust, where: str, *, clear: bool = False, seconds: float = SECONDS) -> View:
    """A view, its head signed by the ledger's key.

    Args:
        where: URL or folder of a ledger, or a file: checkpoint, slip, answer or passport.

    Raises:
        LedgerRefused: it shows no head of this project's ledger. Unusable: it cannot be read.
    """
    if is_url(where) or Path(where).is_dir():
        return of_store(trust, where, store_of(where, clear=clear, seconds=seconds))
    note, proofs = carried(Path(where))
    return View(where, verify_checkpoint(note, key_of_note(trust, note)), proofs=proofs)


def of_store(trust: Trust, name: str, store: Readable) -> View:
    """The view that a store gives.

    Raises:
        LedgerRefused: it has no head, or another key signed it. Unusable: it cannot be read.
    """
    reader = reader_of(trust, store)
    return View(name, reader.checkpoint(), reader)


def reader_of(trust: Trust, store: Readable) -> LogReader:
    """A reader with the key that the store's head must be signed with: today's, or one that was replaced after it."""
    from countermark.passport.slip import ledger_note_key

    reader = LogReader(store, ledger_note_key(trust))
    note = reader.note()
    return LogReader(store, key_of_note(trust, note)) if note is not None else reader


def carried(file: Path) -> tuple[bytes, dict[int, tuple[bytes, ...]]]:
    """The ledger head in a file, whichever kind it is, with the consistency proofs beside it; nothing is verified.

    Raises:
        Unusable: it cannot be read. Refusal: malformed.
    """
    data = read_file(file, passport.MAX_BYTES)
    if not data.startswith((b"{", passport.HEADER)):
        return data, {}
    papers = (
        Passport.from_bytes(data) if file.name.endswith(passport.SUFFIX) or data.startswith(passport.HEADER) else None
    )
    slip = papers.verdict if papers else Slip.from_bytes(data, what=file.name)
    return Receipt.from_bytes(slip.receipt or b"").checkpoint, dict(papers.consistency) if papers else {}


@dataclass(frozen=True, slots=True)
class Compared:
    """Two views that agree: the later extends the earlier by `more` entries."""

    earlier: View
    later: View

    @property
    def more(self) -> int:
        """How many entries the later has more."""
        return self.later.head.size - self.earlier.head.size


def compare(first: View, second: View) -> Compared:
    """Check that two views are of one history.

    Raises:
        Forked: they are not, with the evidence. LedgerRefused: a view does not hold by itself.
        NothingToVerify: neither brings a proof that could tell.
    """
    earlier, later = sorted((first, second), key=lambda view: view.head.size)
    size = earlier.head.size
    proof = later.proof(size)
    if proof is None:
        raise NothingToVerify(
            f"not shown: that {later.name:.120} ({later.head.size} entries) extends {earlier.name:.120} ({size})",
            mend="name the folder or URL of the ledger itself as one of the two, or papers packed with `--since`",
        )
    seen = later.root(size)
    if seen is not None and size and seen != earlier.head.root:
        raise Forked(_proven(Fork(earlier.head.note, later.head.note, seen, proof), earlier, later), earlier, later)
    verify_consistency(earlier.head, later.head, proof)
    return Compared(earlier, later)


def _proven(fork: Fork, earlier: View, later: View) -> Fork:
    """The fork, where the later view holds by itself: else it is damaged, or lies about its own tiles.

    Raises:
        LedgerRefused: it does not.
    """
    from countermark import merkle

    merkle.verify_consistency(earlier.head.size, later.head.size, fork.root, later.head.root, fork.proof)
    return fork


def keep(desk: Desk, fork: Fork) -> Path:
    """Keep the evidence in the workspace, for all who trust the ledger's key; returns where."""
    data = fork.to_bytes()
    path = desk.space.disk.folder(desk.space.home / FORKS) / f"{hashlib.sha256(data).hexdigest()[:16]}.json"
    desk.space.disk.write(path, data, mode=0o644)
    return path


def read_fork(trust: Trust, file: Path) -> tuple[Checkpoint, Checkpoint]:
    """Check evidence that somebody handed over; returns the two heads that contradict each other.

    Raises:
        LedgerRefused: it shows no fork of this project's ledger. StatementRefused: malformed. Unusable: it cannot be read.
    """
    fork = Fork.from_bytes(read_file(file, MAX_BYTES))
    return fork.verify((key_of_note(trust, fork.earlier), key_of_note(trust, fork.later)))
