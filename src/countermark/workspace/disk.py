"""Durable writes. Nothing is reported done before it would survive a power cut.

The primitives at the end are all that changes the disk; a test's twin overrides them to stop, to fail,
or to lose what was not synced, at any chosen point.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from countermark.errors import Unusable

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700
SYNCS_AT_ONCE = 16
_FILE = os.O_RDONLY if os.name == "posix" else os.O_RDWR
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


class Disk:
    """Writes that are whole and durable when a call returns, or did not happen.

    Guarantees: `write` and `pour` replace atomically; `add` leaves a file that is durable only after `settle`; `folder` and `move` are durable; `discard` takes a folder away in one step. After any of them
    fails the old content is still there.
    """

    def __init__(self) -> None:
        self._durable: set[Path] = set()

    def write(self, path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
        """Create or replace `path` atomically: temporary file, sync, rename, sync the folder.

        Raises:
            Unusable: no space, no permission, a missing folder.
        """
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            self._create(temporary, data, mode)
            self._rename(temporary, path)
            self._sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._unlink(temporary)
            raise _unusable(path, error) from error

    def pour(self, path: Path, pieces: Iterable[bytes], *, mode: int = PRIVATE) -> None:
        """Like `write`, for more than memory should hold.

        Raises:
            Unusable: as `write`; and whatever `pieces` raises, after which nothing is left.
        """
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            self._fill(temporary, b"", mode)
            for piece in pieces:
                self._extend(temporary, piece)
            self._sync_files([temporary])
            self._rename(temporary, path)
            self._sync_folder(path.parent)
        except BaseException as error:
            with contextlib.suppress(OSError):
                self._unlink(temporary)
            if isinstance(error, OSError):
                raise _unusable(path, error) from error
            raise

    def add(self, path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
        """Create a file inside a folder that is still being staged; `settle` makes it durable.

        Raises:
            Unusable: it exists, or cannot be written.
        """
        try:
            self._fill(path, data, mode)
        except OSError as error:
            raise _unusable(path, error) from error

    def settle(self, folders: Iterable[Path]) -> None:
        """Make the files directly inside staged folders durable, and then their names.

        Raises:
            Unusable: something cannot be synced.
        """
        for folder in folders:
            try:
                self._sync_files([p for p in sorted(folder.iterdir()) if p.is_file()])
                self._sync_folder(folder)
            except OSError as error:
                raise _unusable(folder, error) from error

    def move(self, source: Path, target: Path) -> None:
        """Rename durably; the target must not exist as a non-empty folder.

        Raises:
            Unusable: it cannot be renamed.
        """
        self._durable.clear()
        try:
            self._rename(source, target)
            self._sync_folder(target.parent)
            if source.parent != target.parent:
                self._sync_folder(source.parent)
        except OSError as error:
            raise _unusable(target, error) from error

    def folder(self, path: Path, *, staged: bool = False) -> Path:
        """Make a private folder, and its parents, durably; one that exists is fine.

        Args:
            staged: it lies inside a folder that is still being staged, and `settle` makes it durable.

        Raises:
            Unusable: it cannot be made.
        """
        if path in self._durable:
            return path
        missing = [path]
        while not missing[-1].parent.is_dir():
            missing.append(missing[-1].parent)
        stood = path.is_dir()
        try:
            for new in reversed(missing):
                self._make(new)
                if staged:
                    continue
                # Also where it stood already: whoever made it may have died before its name was durable.
                # A parent that this user may not read was not made by such a one.
                with contextlib.suppress(*([PermissionError] if stood else [])):
                    self._sync_folder(new.parent)
        except OSError as error:
            raise _unusable(path, error) from error
        self._durable.update([] if staged else missing)
        return path

    def discard(self, folder: Path) -> None:
        """Remove a folder and all below it; one that is gone is fine.

        It loses its name first, durably, so that nobody ever finds half of it.

        Raises:
            Unusable: it cannot be removed.
        """
        self._durable.clear()
        gone = folder.with_name(f".{secrets.token_hex(8)}.gone")
        try:
            self._rename(folder, gone)
            self._sync_folder(folder.parent)
            self._remove(gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(folder, error) from error

    def unlink(self, path: Path) -> None:
        """Remove a file; one that is gone is fine. After a power cut it may be there again.

        Raises:
            Unusable: it cannot be removed.
        """
        try:
            self._unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(path, error) from error

    def sweep(self, folder: Path) -> None:
        """Remove what calls that never returned left directly inside `folder`; only for the one writer of files there.

        Raises:
            Unusable: it cannot be removed.
        """
        try:
            for leftover in [*folder.glob(".*.tmp"), *folder.glob(".*.gone")]:
                with contextlib.suppress(FileNotFoundError):  # whoever let it lose its name is still removing it
                    self._remove(leftover) if leftover.is_dir() else self._unlink(leftover)
        except OSError as error:
            raise _unusable(folder, error) from error

    def _create(self, path: Path, data: bytes, mode: int) -> None:
        self._fill(path, data, mode)
        self._sync_files([path])

    def _fill(self, path: Path, data: bytes, mode: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def _extend(self, path: Path, data: bytes) -> None:
        with path.open("ab", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def _sync_files(self, paths: Sequence[Path]) -> None:
        if len(paths) == 1:
            _sync(paths[0], _FILE)
            return
        # The disk flushes for all who wait at once: many files together cost a fraction of one by one.
        with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
            for _ in pool.map(_sync, paths, itertools.repeat(_FILE)):
                pass

    def _rename(self, source: Path, target: Path) -> None:
        source.rename(target) if source.is_dir() else source.replace(target)

    def _make(self, folder: Path) -> None:
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)

    def _remove(self, folder: Path) -> None:
        shutil.rmtree(folder)

    def _unlink(self, path: Path) -> None:
        path.unlink()

    def _sync_folder(self, folder: Path) -> None:
        if os.name != "posix":
            return  # Windows has no descriptor of a folder; NTFS journals the rename itself.
        _sync(folder, _DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: OSError) -> Unusable:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mend = "free some space and run the same command again" if full else "check the path and permissions"
    return Unusable(f"cannot write {path}", why=error.strerror or str(error), mend=f"{mend}; nothing was lost")
