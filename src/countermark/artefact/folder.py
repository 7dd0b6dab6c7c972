"""Reading a folder once: walk by directory descriptors, hash the private copy, hand the bytes on.

Links are never followed. A file that changes while it is read is caught because what was hashed
is what is handed on, never a second read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from countermark import merkle
from countermark.artefact import tree, walk
from countermark.artefact.profile import SHA256, Profile
from countermark.artefact.tree import Tree, TreeEntry
from countermark.artefact.walk import Place
from countermark.errors import TreeRefused

Sink = Callable[[TreeEntry, bytes], None]
Wants = Callable[[str, int], bool]
Progress = Callable[[int, int], None]
SMALL_BYTES = 1 << 20
CHUNK = tree.CHUNK_BYTES
OPEN_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


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


class Known(Protocol):
    """Chunk roots from an earlier reading."""

    def find(self, path: str, status: os.stat_result) -> bytes | None:
        """Chunk root of a file that has not changed since it was hashed, where that is known."""
        ...

    def keep(self, path: str, descriptor: int, before: os.stat_result, root: bytes) -> None:
        """Take note of a file that was read whole, with its status before it was read."""
        ...


def read_folder(
    root: Path,
    *,
    sink: Sink | None = None,
    wants: Wants | None = None,
    progress: Progress | None = None,
    threads: int = 2,
    profile: Profile = SHA256,
    known: Known | None = None,
) -> Tree:
    """Digest a folder, or a single file, and keep its entries in memory; `stream.stream_folder` keeps none.

    Args:
        root: the folder; a regular file is a tree of one entry named after it.
        sink: called with each entry and its private bytes, the whole file.
        wants: called with path and size in bytes before a file is read: whether the sink gets it. What the sink
            does not get is never whole in memory; it streams in 4 MiB chunks over `threads` threads.
        progress: called with (files done, bytes done).
        profile: the hash. known: roots of files that need not be read again; for signers only.

    Raises:
        TreeRefused: links, devices, odd names, empty folders, no files, a file that changed meanwhile.
        Unusable: something cannot be read.
    """
    with ThreadPoolExecutor(threads) as pool:
        reader = Reader(sink, wants, pool, threads, profile, known)
        return tree.tree_of(told(entries(root, reader), progress), profile)


def entries(root: Path, reader: Reader) -> Iterator[TreeEntry]:
    """Every file of a folder, read once and in the order of the tree.

    Raises:
        As `read_folder`.
    """
    try:
        for place in walk.walk(root):
            for name in place.files:
                yield _entry(place, name, reader)
    except OSError as error:
        raise walk.unreadable(root, error) from error


def told(these: Iterable[TreeEntry], progress: Progress | None) -> Iterator[TreeEntry]:
    """The same entries, while `progress` is told how far they are."""
    done = 0
    for number, entry in enumerate(these, 1):
        yield entry
        if progress:
            done += entry.size
            progress(number, done)


def _entry(place: Place, name: str, reader: Reader) -> TreeEntry:
    path = place.prefix + name
    if reader.known is not None and (entry := _unchanged(place, name, reader, reader.known)):
        return entry
    descriptor = walk.open_at(path, name, place.descriptor, OPEN_FILE)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            walk.refuse_special(path, False)
        entry = _read(descriptor, path, status, reader)
        if reader.known is not None and entry.size == status.st_size:
            reader.known.keep(path, descriptor, status, entry.root)
        return entry
    finally:
        os.close(descriptor)


def _unchanged(place: Place, name: str, reader: Reader, known: Known) -> TreeEntry | None:
    path = place.prefix + name
    status = os.stat(name, dir_fd=place.descriptor, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode) or _takes(reader, path, status.st_size):
        return None
    root = known.find(path, status)
    return TreeEntry(path, status.st_size, status.st_mode & stat.S_IXUSR != 0, root) if root else None


def _takes(reader: Reader, path: str, size: int) -> bool:
    return reader.sink is not None and (reader.wants is None or reader.wants(path, size))


def _read(descriptor: int, path: str, status: os.stat_result, reader: Reader) -> TreeEntry:
    size, executable = status.st_size, status.st_mode & stat.S_IXUSR != 0
    takes = _takes(reader, path, size)
    if size > SMALL_BYTES and not takes:
        return TreeEntry(path, size, executable, _stream(descriptor, path, status, reader))
    data = os.read(descriptor, size + 1)  # one byte more tells a file that grew
    if len(data) != size:
        data = _rest(descriptor, data)
    root = tree.bytes_root(data, reader.profile) if len(data) <= CHUNK else _parallel_root(data, reader)
    entry = TreeEntry(path, len(data), executable, root)
    if takes and reader.sink is not None:
        reader.sink(entry, data)
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


def _stream(descriptor: int, path: str, before: os.stat_result, reader: Reader) -> bytes:
    """Chunk root of a large file: each thread reads and hashes every n-th window, one at a time in its memory."""
    count = -(-before.st_size // CHUNK)

    def every(first: int) -> list[bytes]:
        leaf = reader.profile.chunks.leaf
        return [leaf(window(descriptor, at * CHUNK)) for at in range(first, count, reader.threads)]

    hashes = [b""] * count
    for first, part in enumerate(reader.pool.map(every, range(reader.threads))):
        hashes[first :: reader.threads] = part
    refuse_changed(path, before, os.fstat(descriptor))
    return merkle.root(hashes, reader.profile.chunks)


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


def window(descriptor: int, offset: int) -> bytes:
    """One chunk of a file, read once into private memory; short only at the file's end."""
    data = os.pread(descriptor, CHUNK, offset)
    while len(data) < CHUNK and (part := os.pread(descriptor, CHUNK - len(data), offset + len(data))):
        data += part
    return data
