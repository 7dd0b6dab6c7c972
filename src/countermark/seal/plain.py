"""What is sealed, as the writer reads it: a folder or file on the disk, or a sealed asset that is open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from countermark.artefact import reading, tree, walk
from countermark.artefact.tree import TreeEntry
from countermark.errors import TreeRefused
from countermark.seal import header as headers
from countermark.seal.opened import Opened

ReadAt = Callable[[memoryview, int], int]
"""Fills a view from a byte of a file on, and says how far."""


class Plain(Protocol):
    """What is sealed: files whose sizes are known before they are read, each once and in order.

    Attributes:
        name: for the header. single: whether it is one file, not a folder. entries: sorted by path; their roots are not known yet.
    """

    name: str
    single: bool
    entries: list[TreeEntry]

    def files(self) -> Iterator[tuple[TreeEntry, ReadAt]]:
        """Each file with what reads it; whoever asks for the next is done with it.

        Raises:
            TreeRefused: a file changed. OSError, Unusable, FormatRefused: it cannot be read.
        """


class Folder:
    """A folder or file on the disk, as a `Plain`.

    Raises:
        TreeRefused: links, devices, odd names. Unusable: it cannot be read.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self.name, self.single = source.resolve().name[: headers.MOST_NAME], not source.is_dir()
        self.entries = _planned(source)

    def files(self) -> Iterator[tuple[TreeEntry, ReadAt]]:
        """As `Plain.files`; a file that changes while it is read is refused."""
        folder = self._source.parent if self.single else self._source
        root = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            for planned in self.entries:
                with walk.opened(root, planned.path, reading.OPEN_FILE) as descriptor:
                    before = os.fstat(descriptor)
                    if before.st_size != planned.size:
                        raise changed(planned.path)
                    yield planned, lambda view, at, file=descriptor: os.preadv(file, [view], at)  # type: ignore[misc]
                    reading.refuse_changed(planned.path, before, os.fstat(descriptor))
        finally:
            os.close(root)


class Unsealed:
    """A sealed asset that is open, as a `Plain`: sealed anew without its plaintext on any disk."""

    def __init__(self, opened: Opened) -> None:
        self._opened, self.name, self.single = opened, opened.name, opened.single
        self.entries = list(opened.tree.entries)

    def files(self) -> Iterator[tuple[TreeEntry, ReadAt]]:
        """As `Plain.files`."""
        for entry in self.entries:
            yield entry, lambda view, at, path=entry.path: self._read(path, view, at)  # type: ignore[misc]

    def _read(self, path: str, view: memoryview, at: int) -> int:
        self._opened.read_into(path, at, at + len(view), view)
        return len(view)


def _planned(source: Path) -> list[TreeEntry]:
    """All files with their sizes; their roots are not known yet."""
    out = []
    try:
        for place in walk.walk(source):
            for name in place.files:
                status = os.stat(name, dir_fd=place.descriptor, follow_symlinks=False)
                out.append(TreeEntry(place.prefix + name, status.st_size, bool(status.st_mode & 0o100), bytes(32)))
    except OSError as error:
        raise walk.unreadable(source, error) from error
    for entry in out:
        tree.check_path(entry.path)
    return sorted(out, key=lambda entry: entry.path)


def changed(path: str) -> TreeRefused:
    """The refusal of a file that somebody wrote to meanwhile."""
    return TreeRefused(f"{path} changed while it was sealed", mend="wait until its writer is done, then try again")
