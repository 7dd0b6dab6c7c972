"""The few disc operations a file store is made of, so that a test can put a forgetful disc in their place."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from countermark.errors import Unusable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_POLL_S = 0.01
_LOCKED_AT = 1 << 40
_sync_data = getattr(os, "fdatasync", os.fsync)
BLOCKED = "another process is writing to this ledger"
"""What `Unusable` says where a lock is held, so that a caller can tell it from a disk that fails."""


class Disk(Protocol):
    """Plain file operations under one root; names use ``/``. Every method raises OSError on trouble."""

    def read(self, name: str, limit: int) -> bytes | None:
        """Bytes of a regular file, None where absent."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Create or truncate a file, write it and fsync its content (not its name)."""
        ...

    def patch(self, name: str, at: int, data: bytes, *, durable: bool) -> None:
        """Overwrite bytes inside an existing file, which keeps its length; with `durable`, fsync its content."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, replacing what had it; atomic, durable only after `sync_folder`."""
        ...

    def make_folder(self, name: str) -> bool:
        """Create one folder below an existing one; False where it already stands."""
        ...

    def sync_folder(self, name: str) -> None:
        """Make the names directly inside a folder durable."""
        ...

    def empty_folder(self, name: str) -> None:
        """Remove the files directly inside a folder; an absent folder is no error."""
        ...

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder; an absent one is no error."""
        ...

    def lock(self, name: str, wait_s: float) -> contextlib.AbstractContextManager[None]:
        """Exclusive lock by way of a file; raises Unusable when `wait_s` seconds were not enough."""
        ...


class OsDisk:
    """The real disc below `root`. Files are made with mode 0644: a ledger holds only commitments."""

    def __init__(self, root: Path, *, mode: int = 0o644) -> None:
        self._root = root
        self._mode = mode

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Disk.read`; links, pipes and devices are refused, so that a foreign folder cannot stall us."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self._root / name, flags)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{name} is not a plain file")
            if status.st_size > limit:
                raise OSError(f"{name} is {status.st_size} bytes; the limit is {limit}")
            return file.read(limit)

    def write(self, name: str, data: bytes) -> None:
        """As `Disk.write`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(self._root / name, flags, self._mode), "wb", buffering=0) as file:
            _write(file, data)
            os.fsync(file.fileno())

    def patch(self, name: str, at: int, data: bytes, *, durable: bool) -> None:
        """As `Disk.patch`. No metadata changes, so that fdatasync need not wait for the file system's own journal."""
        flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(self._root / name, flags), "wb", buffering=0) as file:
            file.seek(at)
            _write(file, data)
            if durable:
                _sync_data(file.fileno())

    def rename(self, old: str, new: str) -> None:
        """As `Disk.rename`."""
        os.replace(self._root / old, self._root / new)

    def make_folder(self, name: str) -> bool:
        """As `Disk.make_folder`."""
        try:
            (self._root / name).mkdir(0o755)
        except FileExistsError:
            return False
        return True

    def sync_folder(self, name: str) -> None:
        """As `Disk.sync_folder`; Windows has no such call and keeps names with the file system's journal."""
        if sys.platform == "win32":
            return
        descriptor = os.open(self._root / name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def empty_folder(self, name: str) -> None:
        """As `Disk.empty_folder`."""
        with contextlib.suppress(FileNotFoundError):
            for entry in list(os.scandir(self._root / name)):
                os.unlink(entry.path)

    def remove_folder(self, name: str) -> None:
        """As `Disk.remove_folder`."""
        with contextlib.suppress(FileNotFoundError):
            (self._root / name).rmdir()

    @contextlib.contextmanager
    def lock(self, name: str, wait_s: float) -> Iterator[None]:
        """As `Disk.lock`; the system lets go of it when the holding process dies, however it dies."""
        descriptor = os.open(self._root / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + wait_s
            while not _try_lock(descriptor):
                if time.monotonic() >= deadline:
                    raise Unusable(BLOCKED, why=f"{self._root / name} is locked", mend="wait for it to end, then retry")
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)


def _write(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCKED_AT, os.SEEK_SET)  # there a locked byte cannot be read by others
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
