"""A ledger in a folder: the tlog-tiles paths as plain files, ready to be served by any web server."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from countermark.ledger.stores.disk import Disk, OsDisk
from countermark.ledger.stores.protocol import Object

_LOCK = ".lock"
_SCRATCH = ".writing"
_THREADS = 4
_MANY = 16


class FileStore:
    """`Store` over a folder.

    An object is written under a scratch name, fsynced, renamed to its name, and the folder that holds
    the name is fsynced; a new folder's own name is fsynced too. Scratch files of a process that died
    are removed by the next holder of the lock.
    """

    def __init__(self, disk: Disk, *, threads: int = 1) -> None:
        """Take a disc; more than one thread only where it may be used by several."""
        self._disk = disk
        self._threads = threads
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
        return cls(OsDisk(folder), threads=_THREADS)

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
        self._write([scratch for scratch, _ in moves], [data for _, data in objects])
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

    def _write(self, names: list[str], contents: list[bytes]) -> None:
        """Write and fsync the files; a disc takes many at once in less time than one after the other."""
        if self._threads == 1 or len(names) < _MANY:
            for name, data in zip(names, contents, strict=True):
                self._disk.write(name, data)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(self._disk.write, names, contents))

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
