"""A disc that forgets: a `Disk` in memory where only fsynced content and fsynced names survive power loss.

It drops more than most file systems would, because what a file system happens to keep is no guarantee.
Content that was not fsynced may come back old, new or torn, and bytes written inside a file sector by sector; a
name that was not fsynced may or may not be there. `lose_power` decides by a random generator, so a seed
repeats a run. Single operations can be told to fail too.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from countermark.errors import Unusable
from countermark.ledger.stores.memory import Fate

SECTOR = 512


class PowerLostError(Exception):
    """The machine stopped; nothing after this line ran."""


@dataclass(slots=True)
class _File:
    content: bytes = b""
    durable: bytes = b""


@dataclass(slots=True)
class _Names:
    """Names of one folder: file or subfolder. Folders are objects of their own, as on a real disc."""

    content: dict[str, _File | _Names] = field(default_factory=dict)
    durable: dict[str, _File | _Names] = field(default_factory=dict)


class ForgetfulDisk:
    """`Disk` that stops at a chosen operation.

    Attributes:
        operations: number of changing operations so far.
    """

    def __init__(self, *, stop_at: int | None = None) -> None:
        self.operations = 0
        self._stop_at = stop_at
        self._root = _Names()
        self._locked: set[str] = set()
        self._failing: dict[int, Fate] = {}

    def fail(self, at: int, fate: Fate) -> None:
        """Make operation number `at` (0-based) raise OSError, once: not done ("lost"), or done all the same ("kept")."""
        self._failing[at] = fate

    def lose_power(self, chance: random.Random, *, kept: float) -> ForgetfulDisk:
        """The disc after the power came back.

        Args:
            chance: decides; a seeded generator repeats the run.
            kept: probability, 0 to 1, that something not fsynced survived all the same.
        """
        after = ForgetfulDisk()
        after._root = _survivors(self._root, chance, kept)
        return after

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Disk.read`."""
        found = self._find(name)
        if found is None:
            return None
        if not isinstance(found, _File) or len(found.content) > limit:
            raise OSError(f"{name} is not a file of at most {limit} bytes")
        return found.content

    def write(self, name: str, data: bytes) -> None:
        """As `Disk.write`: the stop may fall before, between writing and fsync, or after."""
        folder, leaf = self._place(name)
        with self._step():
            file = folder.content.get(leaf)
            if not isinstance(file, _File):
                file = folder.content[leaf] = _File()
            file.content = data
        with self._step():
            file.durable = data

    def patch(self, name: str, at: int, data: bytes, *, durable: bool) -> None:
        """As `Disk.patch`: the stop may fall before, between writing and fsync, or after."""
        file = self._find(name)
        if not isinstance(file, _File) or at + len(data) > len(file.content):
            raise OSError(f"{name} is no file that holds bytes {at} to {at + len(data)}")
        with self._step():
            file.content = file.content[:at] + data + file.content[at + len(data) :]
        if durable:
            with self._step():
                file.durable = file.content

    def rename(self, old: str, new: str) -> None:
        """As `Disk.rename`."""
        with self._step():
            (source, old_leaf), (target, new_leaf) = self._place(old), self._place(new)
            target.content[new_leaf] = source.content.pop(old_leaf)

    def make_folder(self, name: str) -> bool:
        """As `Disk.make_folder`."""
        folder, leaf = self._place(name)
        if leaf in folder.content:
            return False
        with self._step():
            folder.content[leaf] = _Names()
        return True

    def sync_folder(self, name: str) -> None:
        """As `Disk.sync_folder`."""
        with self._step():
            found = self._find(name)
            if not isinstance(found, _Names):
                raise FileNotFoundError(name)
            found.durable = dict(found.content)

    def empty_folder(self, name: str) -> None:
        """As `Disk.empty_folder`."""
        found = self._find(name)
        if isinstance(found, _Names):
            for leaf in list(found.content):
                with self._step():
                    del found.content[leaf]

    def remove_folder(self, name: str) -> None:
        """As `Disk.remove_folder`."""
        if isinstance(self._find(name), _Names):
            folder, leaf = self._place(name)
            with self._step():
                del folder.content[leaf]

    @contextlib.contextmanager
    def lock(self, name: str, wait_s: float) -> Iterator[None]:
        """As `Disk.lock`, for one thread: `wait_s` is not waited."""
        if name in self._locked:
            raise Unusable("another writer holds this ledger", why=f"{name} is locked for at least {wait_s} s")
        self._locked.add(name)
        try:
            yield
        finally:
            self._locked.discard(name)

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        """One operation: the machine may stop before it, or it may be told to fail."""
        if self._stop_at is not None and self.operations >= self._stop_at:
            raise PowerLostError(f"before operation {self.operations}")
        self.operations += 1
        fate = self._failing.pop(self.operations - 1, None)
        if fate == "lost":
            raise OSError("an operation fails on command (lost)")
        yield
        if fate == "kept":
            raise OSError("an operation fails on command (kept)")

    def _find(self, name: str) -> _File | _Names | None:
        found: _File | _Names | None = self._root
        for part in [] if name == "." else name.split("/"):
            if not isinstance(found, _Names):
                return None
            found = found.content.get(part)
        return found

    def _place(self, name: str) -> tuple[_Names, str]:
        folder, _, leaf = name.rpartition("/")
        found = self._find(folder or ".")
        if not isinstance(found, _Names):
            raise FileNotFoundError(name)
        return found, leaf


def _survivors(folder: _Names, chance: random.Random, kept: float) -> _Names:
    names: dict[str, _File | _Names] = {}
    for name in sorted(folder.durable.keys() | folder.content.keys()):
        old, new = folder.durable.get(name), folder.content.get(name)
        found = old if old is new or chance.random() >= kept else new
        if isinstance(found, _Names):
            names[name] = _survivors(found, chance, kept)
        elif found is not None:
            content = _remains(found, chance, kept)
            names[name] = _File(content, content)
    return _Names(names, dict(names))


def _remains(file: _File, chance: random.Random, kept: float) -> bytes:
    if file.content == file.durable:
        return file.durable
    if len(file.content) == len(file.durable):  # written to in place
        return b"".join(
            (file.content if chance.random() < kept else file.durable)[at : at + SECTOR]
            for at in range(0, len(file.content), SECTOR)
        )
    fate = chance.random()
    if fate >= kept:
        return file.durable
    return file.content if fate < kept / 2 else file.content[: chance.randrange(len(file.content) + 1)]
