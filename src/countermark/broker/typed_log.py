"""A durable log of entries of one kind: each is in a tile log before the broker answers.

Source: C2SP tlog-tiles, as the project's ledger (`docs/reference/formats/ledger.md`). Each kind has a log of its own with an origin of its own, so that
neither can be shown as the other.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Generic, NamedTuple, Self, TypeVar

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused, Unusable
from countermark.keys.signer import Signer
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.log import Log
from countermark.ledger.note import MAX_NOTE_BYTES, NoteKey
from countermark.ledger.receipt import Receipt
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.protocol import HEAD
from countermark.ledger.tiles import MAX_ENTRY_BYTES


class Entry:
    """What is logged: a frozen dataclass with slots, as canonical JSON of its fields and a version."""

    __slots__: tuple[str, ...] = ()
    WHAT: ClassVar[str]
    VERSION: ClassVar[int]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({"version": self.VERSION, **{name: getattr(self, name) for name in self.__slots__}})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what=cls.WHAT, max_bytes=MAX_ENTRY_BYTES), cls.WHAT)
        if fields.integer("version") != cls.VERSION:
            raise StatementRefused(f"a {cls.WHAT} of another version", mend="a newer Countermark may read it")
        out = cls._read(fields)
        fields.done()
        return out

    @classmethod
    @abstractmethod
    def _read(cls, fields: Fields) -> Self:
        """All fields but the version.

        Raises:
            StatementRefused: malformed.
        """


E = TypeVar("E", bound=Entry)


class Entered(NamedTuple):
    """An entry's bytes as they were logged, and the proof that they were."""

    entry: bytes
    receipt: Receipt


class TypedLog(Generic[E]):
    """The log of one kind of one broker, open for writing; one process at a time holds it, threads may share it.

    Attributes:
        KIND: of its entries. key: verifying key of its checkpoints.
    """

    KIND: type[E]

    def __init__(self, folder: Path, name: str, signer: Signer, *, wait_s: float = 0.0) -> None:
        """Open the log, or begin it where there is none.

        Args:
            name: its origin. wait_s: seconds to wait for another process.

        Raises:
            LedgerRefused: its tiles do not lead to its signed root. Unusable: another process holds it, or it cannot be read.
        """
        self.key = NoteKey(name, signer.public.raw())
        try:
            store = FileStore.at(folder)
        except OSError as error:
            raise Unusable(f"cannot open the log {folder}", why=str(error)) from error
        begun = store.read(HEAD, MAX_NOTE_BYTES) is not None
        self._log = (Log.open if begun else Log.create)(store, self.key, signer.sign, wait_s=wait_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._log.close()

    @property
    def checkpoint(self) -> Checkpoint:
        """Its newest signed head."""
        return self._log.checkpoint

    def append(self, entry: E) -> Entered:
        """Enter one durably; concurrent ones share one commit.

        Raises:
            Unusable: it could not be written; whether it was kept is unknown until the log is opened again.
        """
        data = entry.to_bytes()
        return Entered(data, self._log.append([data])[0])

    def records(self) -> Iterator[E]:
        """All entries, oldest first.

        Raises:
            LedgerRefused: an entry is missing. StatementRefused: one is malformed.
        """
        size = self._log.checkpoint.size
        return map(self.KIND.from_bytes, self._log.reader.entries(0, size, size=size))

    def receipt(self, index: int) -> Receipt:
        """The proof that the entry of that index, counted from 0, is in the log.

        Raises:
            LedgerRefused: there is no such entry, or the log does not hold.
        """
        return self._log.reader.receipt(index)
