"""Reading a folder once: walk by directory descriptors, hash the private copy, hand the bytes on.

Links are never followed. A file that changes while it is read is caught because what was hashed
is what is handed on, never a second read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from countermark import merkle
from countermark.artefact import tree
from countermark.artefact.tree import Tree, TreeEntry
from countermark.errors import TreeRefused, Unusable

Sink = Callable[[TreeEntry, bytes], None]
Wants = Callable[[str, int], bool]
Progress = Callable[[int, int], None]
SMALL_BYTES = 1 << 20
MAX_DEPTH = 64
CHUNK = tree.CHUNK_BYTES
_OPEN_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_OPEN_DIR = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory descriptor, its path below the root, and the regular files in it."""

    descriptor: int
    prefix: str
    files: list[str]


@dataclass(frozen=True, slots=True)
class _Reader:
    """How files are read: who takes their bytes, and the threads that hash large ones."""

    sink: Sink | None
    wants: Wants | None
    pool: ThreadPoolExecutor
    threads: int


def read_folder(
    root: Path,
    *,
    sink: Sink | None = None,
    wants: Wants | None = None,
    progress: Progress | None = None,
    threads: int = 2,
) -> Tree:
    """Digest a folder, or a single file.

    Args:
        root: the folder; a regular file is a tree of one entry named after it.
        sink: called with each entry and its private bytes, the whole file.
        wants: called with path and size in bytes before a file is read: whether the sink gets it. What the sink
            does not get is never whole in memory; it streams in 4 MiB chunks over `threads` threads.
        progress: called with (files done, bytes done).

    Raises:
        TreeRefused: links, devices, odd names, empty folders, no files, a file that changed meanwhile.
        Unusable: something cannot be read.
    """
    entries: list[TreeEntry] = []
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        for entry in _entries(root, _Reader(sink, wants, pool, threads)):
            entries.append(entry)
            if progress:
                done += entry.size
                progress(len(entries), done)
    return tree.tree_of(entries)


def _entries(root: Path, reader: _Reader) -> Iterator[TreeEntry]:
    try:
        if root.is_file() and not root.is_symlink():
            descriptor = os.open(root.parent, os.O_RDONLY)
            try:
                tree.check_path(root.name)
                yield _entry(_Place(descriptor, "", [root.name]), root.name, reader)
            finally:
                os.close(descriptor)
            return
        for place in _walk(os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)), "", 0):
            for name in place.files:
                yield _entry(place, name, reader)
    except OSError as error:
        raise Unusable(f"cannot read {root}", why=str(error), mend="check the path and its permissions") from error


def _walk(descriptor: int, prefix: str, depth: int) -> Iterator[_Place]:
    """Every directory below `descriptor`, which is closed afterwards; refuses whatever is no file or folder."""
    try:
        if depth > MAX_DEPTH:
            raise TreeRefused(f"{prefix[:80]}... is nested deeper than {MAX_DEPTH} folders")
        files, folders = _sorted_names(descriptor, prefix)
        if depth and not files and not folders:
            raise TreeRefused(
                f"{prefix} is an empty folder", why="a digest over files cannot bind it", mend="remove it"
            )
        if files:
            yield _Place(descriptor, prefix, files)
        for name in folders:
            below = _open(f"{prefix}{name}", name, descriptor, _OPEN_DIR)
            yield from _walk(below, f"{prefix}{name}/", depth + 1)
    finally:
        os.close(descriptor)


def _sorted_names(descriptor: int, prefix: str) -> tuple[list[str], list[str]]:
    files: list[str] = []
    folders: list[str] = []
    short = len(prefix) * 4 + 255 <= tree.MAX_PATH_BYTES
    with os.scandir(descriptor) as listing:
        for item in listing:
            name = item.name
            if not (short and tree.is_plain(name)):  # a directory lists no "/", "." or ".."
                tree.check_path(prefix + name)
            if item.is_file(follow_symlinks=False):
                files.append(name)
            elif item.is_dir(follow_symlinks=False):
                folders.append(name)
            else:
                _refuse_special(prefix + name, item.is_symlink())
    return sorted(files), sorted(folders)


def _refuse_special(path: str, is_link: bool) -> None:
    what = "a symbolic link" if is_link else "neither a file nor a folder"
    raise TreeRefused(f"{path} is {what}", why="it could lead outside or never end", mend="copy the real file here")


def _open(path: str, name: str, parent: int, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=parent)
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=str(error), mend="check its permissions") from error


def _entry(place: _Place, name: str, reader: _Reader) -> TreeEntry:
    path = place.prefix + name
    descriptor = _open(path, name, place.descriptor, _OPEN_FILE)
    try:
        status = os.fstat(descriptor)
        mode, size = status.st_mode, status.st_size
        if not stat.S_ISREG(mode):
            _refuse_special(path, False)
        executable = mode & stat.S_IXUSR != 0
        takes = reader.sink is not None and (reader.wants is None or reader.wants(path, size))
        if size > SMALL_BYTES and not takes:
            return TreeEntry(path, size, executable, _stream(descriptor, path, status, reader))
        data = os.read(descriptor, size + 1)  # one byte more tells a file that grew
        if len(data) != size:
            data = _rest(descriptor, data)
        root = tree.bytes_root(data) if len(data) <= CHUNK else _parallel_root(data, reader)
        entry = TreeEntry(path, len(data), executable, root)
        if takes and reader.sink is not None:
            reader.sink(entry, data)
        return entry
    finally:
        os.close(descriptor)


def _rest(descriptor: int, data: bytes) -> bytes:
    """All of a file of which one read gave `data`, less or more than was told."""
    parts = [data]
    while part := os.read(descriptor, CHUNK):
        parts.append(part)
    return b"".join(parts)


def _parallel_root(data: bytes, reader: _Reader) -> bytes:
    view = memoryview(data)
    chunks = [view[at : at + CHUNK] for at in range(0, len(view), CHUNK)]
    return merkle.root(reader.pool.map(tree.CHUNKS.leaf, chunks), tree.CHUNKS)


def _stream(descriptor: int, path: str, before: os.stat_result, reader: _Reader) -> bytes:
    """Chunk root of a large file: each thread reads and hashes every n-th window, one at a time in its memory."""
    count = -(-before.st_size // CHUNK)

    def every(first: int) -> list[bytes]:
        return [tree.CHUNKS.leaf(_window(descriptor, at * CHUNK)) for at in range(first, count, reader.threads)]

    hashes = [b""] * count
    for first, part in enumerate(reader.pool.map(every, range(reader.threads))):
        hashes[first :: reader.threads] = part
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    ):
        raise TreeRefused(f"{path} changed while it was read", mend="wait until its writer is done, then try again")
    return merkle.root(hashes, tree.CHUNKS)


def _window(descriptor: int, offset: int) -> bytes:
    data = os.pread(descriptor, CHUNK, offset)
    while len(data) < CHUNK and (part := os.pread(descriptor, CHUNK - len(data), offset + len(data))):
        data += part
    return data
