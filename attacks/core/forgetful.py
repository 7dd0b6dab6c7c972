"""A disk that stops, fails, or forgets what was not synced, at a chosen step of any stage.

`Platter` watches a folder on a real file system and remembers, by inode, which names and which contents were
synced. `survivors` writes what would be left after a power cut into a new folder: only that (``kept=0``), or
some of the rest too, torn files included. `ForgetfulDisk` and `ForgetfulOsDisk` put it under the workspace and
under the ledger. Real syncs are left out, because the platter is the judge.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from countermark.ledger.stores.disk import OsDisk
from countermark.workspace.disk import Disk


class PowerLost(BaseException):
    """The machine stopped; nothing after this line ran."""


class Platter:
    """What is durable below `root`, and the step at which the machine stops or an operation fails.

    Args:
        stop_at: index of the step at which `trouble` is raised; None for never.
        trouble: makes the exception. late: whether the operation is done all the same before it is raised.
    """

    def __init__(
        self,
        root: Path,
        *,
        stop_at: int | None = None,
        trouble: Callable[[], BaseException] = PowerLost,
        late: bool = False,
    ) -> None:
        self.root = root
        self.steps = 0
        self._stop_at, self._trouble, self._late = stop_at, trouble, late
        self._held: dict[int, int] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._content: dict[int, bytes] = {}
        for folder, _, files in os.walk(root):
            self.sync_folder(Path(folder))
            for name in files:
                self.sync_file(Path(folder) / name)

    def do(self, act: Callable[[], None]) -> None:
        """One step: the act, or the trouble before or after it."""
        now, self.steps = self.steps, self.steps + 1
        if now == self._stop_at and not self._late:
            raise self._trouble()
        act()
        if now == self._stop_at:
            raise self._trouble()

    def sync_folder(self, folder: Path) -> None:
        """The names directly in `folder` are durable now."""
        self._names[self._hold(folder)] = {e.name: self._hold(Path(e.path)) for e in os.scandir(folder)}

    def sync_file(self, path: Path) -> None:
        """The content of `path` is durable now."""
        self._content[self._hold(path)] = path.read_bytes()

    def _hold(self, path: Path) -> int:
        """Inode of `path`, held open so that its number is not given to another file meanwhile."""
        inode = path.lstat().st_ino
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)
        return inode

    def _hold_below(self, parent: int, name: str) -> int:
        descriptor = os.open(name, os.O_RDONLY, dir_fd=parent)
        inode = os.fstat(descriptor).st_ino
        if self._held.setdefault(inode, descriptor) != descriptor:
            os.close(descriptor)
        return inode

    def survivors(self, target: Path, chance: random.Random, kept: float) -> None:
        """Write what is left into `target`, which must not exist.

        Args:
            kept: probability that a folder's unsynced names, or a file's unsynced bytes, survived all the same.
        """
        self._write(self.root.lstat().st_ino, target, chance, kept)

    def _write(self, inode: int, target: Path, chance: random.Random, kept: float) -> None:
        target.mkdir(mode=0o700)
        names = self._names.get(inode, {})
        if chance.random() < kept and inode in self._held:
            names = {e.name: self._hold_below(self._held[inode], e.name) for e in os.scandir(self._held[inode])}
        for name, child in names.items():
            if child in self._names or self._is_folder(child):
                self._write(child, target / name, chance, kept)
            else:
                (target / name).write_bytes(self._remains(child, chance, kept))
                (target / name).chmod(0o600)

    def _is_folder(self, inode: int) -> bool:
        return inode in self._held and stat.S_ISDIR(os.fstat(self._held[inode]).st_mode)

    def _remains(self, inode: int, chance: random.Random, kept: float) -> bytes:
        durable = self._content.get(inode, b"")
        if inode in self._held and chance.random() < kept:
            size = os.fstat(self._held[inode]).st_size
            seen = os.pread(self._held[inode], size, 0)
            if seen == durable:
                return durable
            return seen if chance.random() < 0.5 else seen[: chance.randrange(len(seen) + 1)]
        return durable

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()


class ForgetfulDisk(Disk):
    """The workspace's disk over a platter; every primitive is a step, and removing a folder is many."""

    def __init__(self, platter: Platter) -> None:
        super().__init__()
        self._platter = platter

    def _fill(self, path: Path, data: bytes, mode: int) -> None:
        self._platter.do(lambda: _put(path, data, mode, exclusive=True))

    def _sync_files(self, paths: Sequence[Path]) -> None:
        for path in paths:
            self._platter.do(partial(self._platter.sync_file, path))

    def _rename(self, source: Path, target: Path) -> None:
        self._platter.do(lambda: super(ForgetfulDisk, self)._rename(source, target))

    def _make(self, folder: Path) -> None:
        self._platter.do(lambda: super(ForgetfulDisk, self)._make(folder))

    def _remove(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*"), reverse=True):
            self._platter.do(path.rmdir if path.is_dir() else path.unlink)
        self._platter.do(folder.rmdir)

    def _unlink(self, path: Path) -> None:
        self._platter.do(path.unlink)

    def _sync_folder(self, folder: Path) -> None:
        self._platter.do(lambda: self._platter.sync_folder(folder))


class ForgetfulOsDisk(OsDisk):
    """The ledger's disk over the same platter."""

    def __init__(self, root: Path, platter: Platter) -> None:
        super().__init__(root)
        self._below = root
        self._platter = platter

    def write(self, name: str, data: bytes) -> None:
        path = self._below / name
        self._platter.do(lambda: _put(path, data, 0o644, exclusive=False))
        self._platter.do(lambda: self._platter.sync_file(path))

    def patch(self, name: str, at: int, data: bytes, *, durable: bool) -> None:
        self._platter.do(lambda: super(ForgetfulOsDisk, self).patch(name, at, data, durable=False))
        if durable:
            self._platter.do(lambda: self._platter.sync_file(self._below / name))

    def rename(self, old: str, new: str) -> None:
        self._platter.do(lambda: super(ForgetfulOsDisk, self).rename(old, new))

    def make_folder(self, name: str) -> bool:
        if (self._below / name).is_dir():
            return False
        self._platter.do((self._below / name).mkdir)
        return True

    def sync_folder(self, name: str) -> None:
        self._platter.do(lambda: self._platter.sync_folder(self._below / name))

    def empty_folder(self, name: str) -> None:
        folder = self._below / name
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            self._platter.do(path.unlink)

    def remove_folder(self, name: str) -> None:
        if (self._below / name).is_dir():
            self._platter.do((self._below / name).rmdir)


def _put(path: Path, data: bytes, mode: int, *, exclusive: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if exclusive else os.O_TRUNC)
    with open(os.open(path, flags, mode), "wb") as file:
        file.write(data)
