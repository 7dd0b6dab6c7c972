"""A disc that forgets: a `Disk` in memory where only fsynced content and fsynced names survive power loss.

It drops more than most file systems would, because what a file system happens to keep is no guarantee.
Content that was not fsynced may come back old, new or torn; a name that was not fsynced may or may not
be there. `lose_power` decides by a random generator, so a seed repeats a run.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from countermark.errors import Unusable


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
        self._locked = False

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
        self._step()
        file = folder.content.get(leaf)
        if not isinstance(file, _File):
            file = folder.content[leaf] = _File()
        file.content = data
        self._step()
        file.durable = data

    def rename(self, old: str, new: str) -> None:
        """As `Disk.rename`."""
        self._step()
        (source, old_leaf), (target, new_leaf) = self._place(old), self._place(new)
        target.content[new_leaf] = source.content.pop(old_leaf)

    def make_folder(self, name: str) -> bool:
        """As `Disk.make_folder`."""
        folder, leaf = self._place(name)
        if leaf in folder.content:
            return False
        self._step()
        folder.content[leaf] = _Names()
        return True

    def sync_folder(self, name: str) -> None:
        """As `Disk.sync_folder`."""
        self._step()
        found = self._find(name)
        if not isinstance(found, _Names):
            raise FileNotFoundError(name)
        found.durable = dict(found.content)

    def empty_folder(self, name: str) -> None:
        """As `Disk.empty_folder`."""
        found = self._find(name)
        if isinstance(found, _Names):
            for leaf in list(found.content):
                self._step()
                del found.content[leaf]

    def remove_folder(self, name: str) -> None:
        """As `Disk.remove_folder`."""
        if isinstance(self._find(name), _Names):
            self._step()
            folder, leaf = self._place(name)
            del folder.content[leaf]

    @contextlib.contextmanager
    def lock(self, name: str, wait_s: float) -> Iterator[None]:
        """As `Disk.lock`, for one thread: `wait_s` is not waited."""
        if self._locked:
            raise Unusable("another writer holds this ledger", why=f"{name} is locked for at least {wait_s} s")
        self._locked = True
        try:
            yield
        finally:
            self._locked = False

    def _step(self) -> None:
        if self._stop_at is not None and self.operations >= self._stop_at:
            raise PowerLostError(f"before operation {self.operations}")
        self.operations += 1

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
    fate = chance.random()
    if fate >= kept:
        return file.durable
    return file.content if fate < kept / 2 else file.content[: chance.randrange(len(file.content) + 1)]
