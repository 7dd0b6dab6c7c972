"""The one writer of a ledger's folder, while it holds the lock: journal first, files when there is need."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence

from countermark.ledger.stores import journal
from countermark.ledger.stores.disk import Disk
from countermark.ledger.stores.journal import SESSION_BYTES, Journal, Record, digest
from countermark.ledger.stores.placing import Placing
from countermark.ledger.stores.protocol import HEAD, Object, head_moved

MAX_RECORD_BYTES = 256 << 10


class Writer:
    """Commits of one holder of the lock.

    Order, and why nothing reported is lost at any point: a record is durable in the journal before its commit
    returns; files get their content and their names durably, then the head does; only then does the next
    record overwrite the journal's first. Doing any of it twice does the same.
    """

    def __init__(self, disk: Disk, placing: Placing, size: int, head: bytes | None, found: Journal) -> None:
        """Take over what the last writer left.

        Args:
            size: bytes of a journal that is made anew. head: as it stands in its own file.

        Raises:
            OSError: the journal is damaged, or belongs to another head.
        """
        self._disk, self._placing, self._size = disk, placing, size
        self._session = secrets.token_bytes(SESSION_BYTES)
        self._number = found.number
        self._at = 0
        self._pending: dict[str, bytes] = {}
        self._head = head
        self._discarded: list[str] = []
        self._sure = True  # no write failed half way
        self._settled = True  # files hold all that the journal does
        self._ready = found.length == size
        self._used = False
        for record in found.pending(head):
            self._keep(record.objects, record.head)

    def read(self, name: str, limit: int) -> bytes | None:
        """An object as the last commit left it."""
        if name == HEAD:
            return self._head
        if name in self._pending:
            return self._pending[name]
        return None if os.path.dirname(name) in self._discarded else self._disk.read(name, limit)

    def commit(self, objects: Sequence[Object], head: bytes, replaces: bytes | None) -> None:
        """As `Store.commit`."""
        if not self._sure:
            raise OSError("an earlier write failed half way")
        if replaces != self._head:
            raise head_moved("the head is not the one that this writer saw last")
        self._sure = False
        # The first head goes to its file: a journal always leads on from one that stands there.
        if replaces is None or journal.size_of(objects, head) > min(MAX_RECORD_BYTES, self._size):
            self._place(objects, head)
        else:
            self._append(objects, head)
        self._sure = True

    def discard(self, folder: str) -> None:
        """As `Store.discard`; files that the head beside the journal needs go after that was replaced."""
        for name in [name for name in self._pending if os.path.dirname(name) == folder]:
            del self._pending[name]
        if self._settled:
            self._placing.remove(folder)
        else:
            self._discarded.append(folder)

    def settle(self) -> None:
        """Bring all that only the journal holds into files, durably; then the journal may be overwritten.

        Raises:
            OSError: some may be in files; the journal still holds all of it.
        """
        if self._settled or self._head is None:
            return
        self._placing.place(list(_newest(self._pending).items()))
        self._placing.place([(HEAD, self._head)])
        self._settled, self._at = True, 0
        self._pending.clear()
        for folder in self._discarded:
            # They may stay for ever (tlog-tiles); the commit must not fail for their sake.
            with contextlib.suppress(OSError):
                self._placing.remove(folder)
        self._discarded.clear()

    def leave(self) -> None:
        """Settle, and begin the journal with a record of nothing, so that readers need not look further."""
        # What cannot be settled stays in the journal. After a failed write only a fresh look tells what stands.
        with contextlib.suppress(OSError):
            if self._sure and self._used and self._head is not None:
                self.settle()
                empty = Record(self._number + 1, self._session, digest(self._head), self._head)
                self._disk.patch(journal.NAME, 0, empty.to_bytes(), durable=False)

    def _place(self, objects: Sequence[Object], head: bytes) -> None:
        self.settle()
        self._placing.place(objects)
        self._placing.place([(HEAD, head)])
        self._head = head

    def _append(self, objects: Sequence[Object], head: bytes) -> None:
        record = Record(self._number + 1, self._session, digest(self._head), head, tuple(objects))
        data = record.to_bytes()
        again = self._discarded and {os.path.dirname(name) for name, _ in objects} & set(self._discarded)
        if again or self._at + len(data) > self._size:
            self.settle()
        self._prepare()
        self._disk.patch(journal.NAME, self._at, data, durable=True)
        self._number, self._at, self._used = record.number, self._at + len(data), True
        self._keep(objects, head)

    def _prepare(self) -> None:
        """Have a journal of full size, so that appending to it changes no metadata and needs no new room."""
        if self._ready:
            return
        self._disk.write(journal.NAME, bytes(self._size))
        self._disk.sync_folder(".")
        self._ready = True

    def _keep(self, objects: Sequence[Object], head: bytes) -> None:
        self._pending.update(objects)
        self._head, self._settled = head, False


def _newest(objects: dict[str, bytes]) -> dict[str, bytes]:
    """Without partial forms that a later one of the same tile or bundle replaced; the last of a folder came last."""
    last = {os.path.dirname(name): name for name in objects}
    return {
        name: data
        for name, data in objects.items()
        if not os.path.dirname(name).endswith(".p") or last[os.path.dirname(name)] == name
    }
