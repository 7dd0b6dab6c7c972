"""Durable writes. Nothing is reported done before it would survive a power cut.

The four primitives at the end are all that touches the disk; a test's twin overrides them to lose
what was not synced, at any chosen point.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from countermark.errors import Unusable

PRIVATE = 0o600
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


class Disk:
    """Writes that are whole and durable when a call returns, or did not happen.

    Guarantees: `write` replaces atomically; `add` leaves a synced file whose *name* is durable only after
    `settle`; `move` renames atomically and durably. After any of them fails the old content is still there.
    """

    def write(self, path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
        """Create or replace `path` atomically: temporary file, sync, rename, sync the folder.

        Raises:
            Unusable: no space, no permission, a missing folder.
        """
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
        try:
            self._create(temporary, data, mode)
            self._rename(temporary, path)
            self._sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise _unusable(path, error) from error

    def add(self, path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
        """Create a file inside a folder that is still being staged; its folder is synced by `settle`.

        Raises:
            Unusable: it exists, or cannot be written.
        """
        try:
            self._create(path, data, mode)
        except OSError as error:
            raise _unusable(path, error) from error

    def settle(self, folders: Iterable[Path]) -> None:
        """Make the names inside staged folders durable.

        Raises:
            Unusable: a folder cannot be synced.
        """
        for folder in folders:
            try:
                self._sync_folder(folder)
            except OSError as error:
                raise _unusable(folder, error) from error

    def move(self, source: Path, target: Path) -> None:
        """Rename durably; the target must not exist as a non-empty folder.

        Raises:
            Unusable: it cannot be renamed.
        """
        try:
            self._rename(source, target)
            self._sync_folder(target.parent)
            if source.parent != target.parent:
                self._sync_folder(source.parent)
        except OSError as error:
            raise _unusable(target, error) from error

    def folder(self, path: Path) -> Path:
        """Make a private folder, and its parents; one that exists is fine.

        Raises:
            Unusable: it cannot be made.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(path, error) from error
        return path

    def discard(self, folder: Path) -> None:
        """Remove a staged folder and all below it; one that is gone is fine.

        Raises:
            Unusable: it cannot be removed.
        """
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(folder, error) from error

    def _create(self, path: Path, data: bytes, mode: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            self._sync_file(descriptor)

    def _sync_file(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def _rename(self, source: Path, target: Path) -> None:
        source.rename(target) if source.is_dir() else source.replace(target)

    def _sync_folder(self, folder: Path) -> None:
        if os.name != "posix":
            return  # Windows has no descriptor of a folder; NTFS journals the rename itself.
        descriptor = os.open(folder, _DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unusable(path: Path, error: OSError) -> Unusable:
    mend = "free some space and run the same command again" if error.errno == 28 else "check the path and permissions"
    return Unusable(f"cannot write {path}", why=error.strerror or str(error), mend=f"{mend}; nothing was lost")
