"""A ledger in a folder: the tlog-tiles paths as plain files, ready to be served by any web server."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from countermark.ledger.stores.disk import Disk, OsDisk
from countermark.ledger.stores.protocol import Object

_LOCK = ".lock"
_SCRATCH = ".writing"


class FileStore:
    """`Store` over a folder.

    An object is written under a scratch name, fsynced, renamed to its name, and the folder that holds
    the name is fsynced; a new folder's own name is fsynced too. Scratch files of a process that died
    are removed by the next holder of the lock.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._known: set[str] = {"."}
        self._numbers = itertools.count()

    @classmethod
    def at(cls, folder: Path) -> FileStore:
        """The store in an existing folder, or in a new one below an existing parent.

        Raises:
            OSError: the folder cannot be made.
        """
        if not folder.is_dir():
            folder.mkdir(mode=0o755)
            OsDisk(folder.parent).sync_folder(".")
        return cls(OsDisk(folder))

    @classmethod
    def reading(cls, folder: Path) -> FileStore:
        """The store in somebody else's folder; nothing is created there."""
        return cls(OsDisk(folder))

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Store.read`."""
        return self._disk.read(name, limit)

    def publish(self, objects: Sequence[Object]) -> None:
        """As `Store.publish`."""
        touched: set[str] = set()
        self._folder(_SCRATCH, touched)
        moves = [(f"{_SCRATCH}/{os.getpid()}-{next(self._numbers)}", name) for name, _ in objects]
        for (scratch, _), (_, data) in zip(moves, objects, strict=True):
            self._disk.write(scratch, data)
        for scratch, name in moves:
            folder = os.path.dirname(name) or "."
            self._folder(folder, touched)
            self._disk.rename(scratch, name)
            touched.add(folder)
        for folder in sorted(touched):
            self._disk.sync_folder(folder)

    def discard(self, folder: str) -> None:
        """As `Store.discard`."""
        self._known.discard(folder)
        self._disk.empty_folder(folder)
        self._disk.remove_folder(folder)

    @contextlib.contextmanager
    def lock(self, wait_s: float) -> Iterator[None]:
        """As `Store.lock`."""
        with self._disk.lock(_LOCK, wait_s):
            self._disk.empty_folder(_SCRATCH)
            yield

    def _folder(self, name: str, touched: set[str]) -> None:
        """Make a folder and those above it; note for syncing whatever got a new name."""
        if name in self._known:
            return
        parent = os.path.dirname(name) or "."
        self._folder(parent, touched)
        self._disk.make_folder(name)
        # Also where it stood already: whoever made it may have died before its name was durable.
        touched.add(parent)
        self._known.add(name)
