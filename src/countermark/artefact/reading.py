"""Reading one file of a folder: a small one at once, a large one by threads while others are read beside it.

A file that changes while it is read is caught because what was hashed is what is handed on, never a second read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple, Protocol

from countermark import merkle
from countermark.artefact import tree, walk
from countermark.artefact.buffer import leaf_at
from countermark.artefact.profile import SHA256, Profile
from countermark.artefact.tree import TreeEntry
from countermark.artefact.walk import Place
from countermark.errors import TreeRefused

Sink = Callable[[TreeEntry, bytes], None]
Wants = Callable[[str, int], bool]
SMALL_BYTES = 64 << 10  # handing a smaller file to a thread costs more than hashing it
FEW = 4  # chunks up to which one thread reads a file
CHUNK = tree.CHUNK_BYTES
OPEN_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Known(Protocol):
    """Chunk roots from an earlier reading."""

    def find(self, path: str, status: os.stat_result) -> bytes | None:
        """Chunk root of a file that has not changed since it was hashed, where that is known."""
        ...

    def settled(self, descriptor: int, before: os.stat_result) -> bool:
        """Whether a file that was read whole may be remembered under the status that it had before it was read."""
        ...

    def record(self, path: str, status: os.stat_result, root: bytes) -> None:
        """Take note of a file; called in the order of the tree."""
        ...


@dataclass(frozen=True, slots=True)
class Reader:
    """How files are read: who takes their bytes, the threads that hash large ones, the hash, and what is known.

    Attributes:
        known: chunk roots of files that have not changed since they were hashed, for signers only; never at a gate.
    """

    sink: Sink | None
    wants: Wants | None
    pool: ThreadPoolExecutor
    threads: int
    profile: Profile = SHA256
    known: Known | None = None


class Noted(NamedTuple):
    """A file that is to be remembered, and the status that it had."""

    entry: TreeEntry
    status: os.stat_result


class Pending(NamedTuple):
    """A large file while threads read it: each hashes every n-th chunk, one piece of it in memory."""

    descriptor: int
    path: str
    status: os.stat_result
    profile: Profile
    parts: list[Future[list[bytes]]]
    stopped: Event

    @classmethod
    def begin(cls, descriptor: int, path: str, status: os.stat_result, reader: Reader) -> Pending:
        size, hashing = status.st_size, reader.profile.chunks
        step = CHUNK * (reader.threads if size > FEW * CHUNK else 1)  # smaller ones are read beside each other
        stopped = Event()

        def every(first: int) -> list[bytes]:
            offsets = (at for at in range(first, size, step) if not stopped.is_set())
            return [leaf_at(descriptor, at, min(at + CHUNK, size), hashing) for at in offsets]

        parts = [reader.pool.submit(every, first) for first in range(0, step, CHUNK)]
        return cls(descriptor, path, status, reader.profile, parts, stopped)

    def result(self, known: Known | None) -> TreeEntry | Noted:
        """The file, once all of it was read.

        Raises:
            TreeRefused: it changed meanwhile.
        """
        try:
            hashes = [b""] * -(-self.status.st_size // CHUNK)
            for first, part in enumerate(self.parts):
                hashes[first :: len(self.parts)] = part.result()
            refuse_changed(self.path, self.status, os.fstat(self.descriptor))
            root, executable = merkle.root(hashes, self.profile.chunks), self.status.st_mode & stat.S_IXUSR != 0
            entry = TreeEntry(self.path, self.status.st_size, executable, root)
            return Noted(entry, self.status) if known and known.settled(self.descriptor, self.status) else entry
        finally:
            self.close()

    def close(self) -> None:
        """Have nobody read any more, and close the file: an interrupt does not wait for its end."""
        self.stopped.set()
        for part in self.parts:
            part.cancel()
        wait(self.parts)
        os.close(self.descriptor)


def begun(place: Place, name: str, reader: Reader) -> TreeEntry | Noted | Pending:
    """Read a file while its folder is open, or have a large one read."""
    path = place.prefix + name
    if reader.known is not None and (noted := _unchanged(place, name, reader, reader.known)):
        return noted
    descriptor = walk.open_at(path, name, place.descriptor, OPEN_FILE)
    closing = True
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            walk.refuse_special(path, False)
        sink = reader.sink if reader.sink is not None and _takes(reader, path, status.st_size) else None
        if status.st_size > SMALL_BYTES and sink is None:
            pending = Pending.begin(descriptor, path, status, reader)
            closing = False  # it is closed when all of it was read
            return pending
        entry = _read(descriptor, path, status, reader, sink)
        if reader.known is not None and entry.size == status.st_size and reader.known.settled(descriptor, status):
            return Noted(entry, status)
        return entry
    finally:
        if closing:
            os.close(descriptor)


def _unchanged(place: Place, name: str, reader: Reader, known: Known) -> Noted | None:
    path = place.prefix + name
    status = os.stat(name, dir_fd=place.descriptor, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode) or _takes(reader, path, status.st_size):
        return None
    root = known.find(path, status)
    if root is None:
        return None
    return Noted(TreeEntry(path, status.st_size, status.st_mode & stat.S_IXUSR != 0, root), status)


def _takes(reader: Reader, path: str, size: int) -> bool:
    return reader.sink is not None and (reader.wants is None or reader.wants(path, size))


def _read(descriptor: int, path: str, status: os.stat_result, reader: Reader, sink: Sink | None) -> TreeEntry:
    size = status.st_size
    data = os.read(descriptor, size + 1)  # one byte more tells a file that grew
    if len(data) != size:
        data = _rest(descriptor, data)
    root = tree.bytes_root(data, reader.profile) if len(data) <= CHUNK else _parallel_root(data, reader)
    entry = TreeEntry(path, len(data), status.st_mode & stat.S_IXUSR != 0, root)
    if sink is not None:
        sink(entry, data)
    return entry


def _rest(descriptor: int, data: bytes) -> bytes:
    """All of a file of which one read gave `data`, less or more than was told."""
    parts = [data]
    while part := os.read(descriptor, CHUNK):
        parts.append(part)
    return b"".join(parts)


def _parallel_root(data: bytes, reader: Reader) -> bytes:
    view = memoryview(data)
    chunks = [view[at : at + CHUNK] for at in range(0, len(view), CHUNK)]
    return merkle.root(reader.pool.map(reader.profile.chunks.leaf, chunks), reader.profile.chunks)


def window(descriptor: int, offset: int) -> bytes:
    """One chunk of a file, read once into private memory; short only at the file's end."""
    data = os.pread(descriptor, CHUNK, offset)
    while len(data) < CHUNK and (part := os.pread(descriptor, CHUNK - len(data), offset + len(data))):
        data += part
    return data


def refuse_changed(path: str, before: os.stat_result, after: os.stat_result) -> None:
    """Refuse a file that somebody wrote to while it was read.

    Raises:
        TreeRefused: size or times are not as they were.
    """
    if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    ):
        raise TreeRefused(f"{path} changed while it was read", mend="wait until its writer is done, then try again")
