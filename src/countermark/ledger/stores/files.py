"""A ledger in a folder: the tlog-tiles paths as plain files, ready to be served by any web server.

A commit is one record appended to a journal of fixed size and one fdatasync. Its objects and its head reach
their own files later: when the journal is full, when the lock is left, or when the next writer finds it. The
files by themselves are a log that is whole at every moment, with the head as it was when they were written
last; a reader of this class looks into the journal too, and so sees every commit that was reported, at once
and after a crash. What serves the bare files may lag behind while a writer holds the lock.

Commits too large for the journal, and the first one, go straight to their files.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.ledger.stores import journal
from countermark.ledger.stores.disk import Disk, OsDisk
from countermark.ledger.stores.journal import Journal
from countermark.ledger.stores.placing import Placing
from countermark.ledger.stores.protocol import HEAD, Object
from countermark.ledger.stores.writer import Writer

JOURNAL_BYTES = 2 << 20
MAX_JOURNAL_BYTES = 16 << 20
_LOCK = ".lock"
_THREADS = 4
_LOOKS = 10
_PAUSE_S = 0.005


class FileStore:
    """`Store` over a folder, for one thread at a time that holds its lock, and any number of readers."""

    def __init__(self, disk: Disk, *, threads: int = 1, journal_bytes: int = JOURNAL_BYTES) -> None:
        """Take a disc.

        Args:
            threads: more than one only where the disc may be used by several.
            journal_bytes: size of a new journal, whole pages, at most `MAX_JOURNAL_BYTES`.
        """
        self._disk = disk
        self._threads = threads
        self._journal_bytes = journal_bytes
        self._writer: Writer | None = None
        self._seen: dict[str, bytes] | None = None

    @classmethod
    def at(cls, folder: Path) -> FileStore:
        """The store in an existing folder, or in a new one below an existing parent.

        Raises:
            OSError: the folder cannot be made.
        """
        if not folder.is_dir():
            folder.mkdir(mode=0o755)
            OsDisk(folder.parent).sync_folder(".")
        return cls(OsDisk(folder), threads=_THREADS)

    @classmethod
    def reading(cls, folder: Path) -> FileStore:
        """The store in somebody else's folder; nothing is created there."""
        return cls(OsDisk(folder))

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Store.read`; a reader looks into the journal whenever it reads the head."""
        if self._writer is not None:
            data = self._writer.read(name, limit)
        else:
            if name == HEAD or self._seen is None:
                self._seen = self._look()
            data = self._seen[name] if name in self._seen else self._disk.read(name, limit)
        if data is not None and len(data) > limit:
            raise OSError(f"{name} is {len(data)} bytes; the limit is {limit}")
        return data

    def commit(self, objects: Sequence[Object], head: bytes, replaces: bytes | None) -> None:
        """As `Store.commit`."""
        self._held().commit(objects, head, replaces)

    def discard(self, folder: str) -> None:
        """As `Store.discard`."""
        self._held().discard(folder)

    @contextlib.contextmanager
    def lock(self, wait_s: float) -> Iterator[None]:
        """As `Store.lock`. The journal is locked beside the lock file, so that removing that one admits nobody."""
        with self._disk.lock(_LOCK, wait_s), self._disk.lock(journal.NAME, wait_s):
            placing = Placing(self._disk, self._threads)  # anew: after a failure nothing is known to be durable
            placing.sweep()
            self._writer = Writer(self._disk, placing, self._journal_bytes, *self._found())
            try:
                self._writer.settle()
                yield
                self._writer.leave()
            finally:
                self._writer = self._seen = None

    def _held(self) -> Writer:
        if self._writer is None:
            raise OSError("the ledger's lock is not held")
        return self._writer

    def _found(self) -> tuple[bytes | None, Journal]:
        """The head in its file, and the journal beside it."""
        head, data = self._disk.read(HEAD, MAX_NOTE_BYTES), None
        # Only its owner may read a journal, because whoever can open it can lock it: others see the files alone.
        with contextlib.suppress(PermissionError):
            data = self._disk.read(journal.NAME, MAX_JOURNAL_BYTES)
        return head, Journal.from_bytes(data or b"")

    def _look(self) -> dict[str, bytes]:
        """What only the journal holds. A writer may be at work meanwhile; then a second look shows it whole.

        Raises:
            OSError: the journal is damaged, or of another state than the folder.
        """
        for look in range(_LOOKS):
            try:
                head, found = self._found()
                return _overlay(found, head)
            except OSError:
                if look + 1 == _LOOKS:
                    raise
            time.sleep(_PAUSE_S)
        raise AssertionError("not reached")


def _overlay(found: Journal, head: bytes | None) -> dict[str, bytes]:
    pending = found.pending(head)
    # The whole run, not only what is pending: readers of a slightly older head find its partial tiles here.
    objects = {name: data for record in found.run for name, data in record.objects} if pending else {}
    return objects | ({HEAD: pending[-1].head} if pending else {})
