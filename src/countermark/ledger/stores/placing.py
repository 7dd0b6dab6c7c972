"""Putting objects into files of their own, whole and durable."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from countermark.ledger.stores.disk import Disk
from countermark.ledger.stores.protocol import Object

SCRATCH = ".writing"
_MANY = 16


class Placing:
    """Files below a folder, each replaced in one step.

    An object is written under a scratch name, fsynced, renamed to its name, and the folder that holds
    the name is fsynced; a new folder's own name is fsynced too. Scratch files of a process that died
    are removed by `sweep`.
    """

    def __init__(self, disk: Disk, threads: int) -> None:
        """Take a disc; more than one thread only where it may be used by several."""
        self._disk = disk
        self._threads = threads
        self._known: set[str] = {"."}
        self._numbers = itertools.count()

    def place(self, objects: Sequence[Object]) -> None:
        """Store objects; in no order among themselves, all durable on return.

        Raises:
            OSError: any subset may have been stored, durable or not.
        """
        touched: set[str] = set()
        self._folder(SCRATCH, touched)
        moves = [(f"{SCRATCH}/{os.getpid()}-{next(self._numbers)}", name) for name, _ in objects]
        self._write([scratch for scratch, _ in moves], [data for _, data in objects])
        for scratch, name in moves:
            folder = os.path.dirname(name) or "."
            self._folder(folder, touched)
            self._disk.rename(scratch, name)
            touched.add(folder)
        for folder in sorted(touched):
            self._disk.sync_folder(folder)

    def remove(self, folder: str) -> None:
        """Remove the files directly inside a folder, and the folder; an absent one is no error."""
        self._known.discard(folder)
        self._disk.empty_folder(folder)
        self._disk.remove_folder(folder)

    def sweep(self) -> None:
        """Remove scratch files of writers that died, and make the names in the uppermost folder durable."""
        self._disk.empty_folder(SCRATCH)
        self._disk.sync_folder(".")

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
