"""The meter log: every step of a licence's state is an entry of a tile log first, durable before it is answered.

A log of its own beside that of releases, with an origin of its own (``countermark.broker/NAME/meter``), so that neither can be shown as the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from countermark import canonical
from countermark.broker.log import opened
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.keys.signer import Signer
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.note import NoteKey
from countermark.ledger.tiles import MAX_ENTRY_BYTES

VERSION = 1


@dataclass(frozen=True, slots=True)
class Moved:
    """One step.

    Attributes:
        at: POSIX seconds by the broker's clock. licence: hex. host: id of its key, hex. count, head, ended: after it.
    """

    at: int
    licence: str
    host: str
    count: int
    head: str
    ended: bool

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({"version": VERSION, **{name: getattr(self, name) for name in self.__slots__}})

    @classmethod
    def from_bytes(cls, data: bytes) -> Moved:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="meter entry", max_bytes=MAX_ENTRY_BYTES), "meter entry")
        if fields.integer("version") != VERSION:
            raise StatementRefused("a meter entry of another version", mend="a newer Countermark may read it")
        out = cls(
            fields.integer("at"), fields.hex("licence"), fields.hex("host"), fields.integer("count"), fields.hex("head"),
            fields.boolean("ended"),
        )  # fmt: skip
        fields.done()
        return out


class MeterLog:
    """The meter log of one broker, open for writing; one process at a time holds it."""

    def __init__(self, folder: Path, name: str, signer: Signer, *, wait_s: float = 0.0) -> None:
        """Open the log, or begin it where there is none.

        Raises:
            As `log.opened`.
        """
        self.key = NoteKey(name, signer.public.raw())
        self._log = opened(folder, self.key, signer, wait_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._log.close()

    @property
    def checkpoint(self) -> Checkpoint:
        """Its newest signed head."""
        return self._log.checkpoint

    def append(self, entry: Moved) -> None:
        """Enter a step durably; concurrent ones share one commit.

        Raises:
            Unusable: it could not be written; whether it was kept is unknown until the log is opened again.
        """
        self._log.append([entry.to_bytes()])

    def records(self) -> Iterator[Moved]:
        """All steps, oldest first.

        Raises:
            LedgerRefused: an entry is missing. StatementRefused: one is malformed.
        """
        size = self._log.checkpoint.size
        return map(Moved.from_bytes, self._log.reader.entries(0, size, size=size))
