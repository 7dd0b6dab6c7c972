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
Progress = Callable[[int, int], None]
SMALL_BYTES = 1 << 20
MAX_DEPTH = 64
CHUNK = tree.CHUNK_BYTES
BATCH = 8
_OPEN_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_OPEN_DIR = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory descriptor, its path below the root, and the regular files in it."""

    descriptor: int
    prefix: str
    files: list[str]


def read_folder(root: Path, *, sink: Sink | None = None, progress: Progress | None = None, threads: int = 2) -> Tree:
    """Digest a folder, or a single file.

    Args:
        root: the folder; a regular file is a tree of one entry named after it.
        sink: called with each entry and its private bytes (whole files; a caller that only wants the digest
            leaves it out, and large files then stream in 4 MiB chunks over `threads` threads).
        progress: called with (files done, bytes done).

    Raises:
        TreeRefused: links, devices, odd names, empty folders, no files.
        Unusable: something cannot be read.
    """
    entries: list[TreeEntry] = []
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        for entry in _entries(root, sink, pool):
            entries.append(entry)
            done += entry.size
            if progress:
                progress(len(entries), done)
    return tree.tree_of(entries)


def _entries(root: Path, sink: Sink | None, pool: ThreadPoolExecutor) -> Iterator[TreeEntry]:
    try:
        if root.is_file() and not root.is_symlink():
            descriptor = os.open(root.parent, os.O_RDONLY)
            try:
                tree.check_path(root.name)
                yield _entry(_Place(descriptor, "", [root.name]), root.name, sink, pool)
            finally:
                os.close(descriptor)
            return
        for place in _walk(os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)), "", 0):
            for name in place.files:
                yield _entry(place, name, sink, pool)
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
            yield from _walk(os.open(name, _OPEN_DIR, dir_fd=descriptor), f"{prefix}{name}/", depth + 1)
    finally:
        os.close(descriptor)


def _sorted_names(descriptor: int, prefix: str) -> tuple[list[str], list[str]]:
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(descriptor) as listing:
        for item in listing:
            path = prefix + item.name
            try:
                path.encode()
            except UnicodeEncodeError as error:
                raise TreeRefused(f"{os.fsencode(path)!r} is not UTF-8", mend="rename it") from error
            tree.check_path(path)
            if item.is_file(follow_symlinks=False):
                files.append(item.name)
            elif item.is_dir(follow_symlinks=False):
                folders.append(item.name)
            else:
                _refuse_special(path, item.is_symlink())
    return sorted(files), sorted(folders)


def _refuse_special(path: str, is_link: bool) -> None:
    what = "a symbolic link" if is_link else "neither a file nor a folder"
    raise TreeRefused(f"{path} is {what}", why="it could lead outside or never end", mend="copy the real file here")


def _entry(place: _Place, name: str, sink: Sink | None, pool: ThreadPoolExecutor) -> TreeEntry:
    path = place.prefix + name
    try:
        descriptor = os.open(name, _OPEN_FILE, dir_fd=place.descriptor)
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=str(error), mend="check its permissions") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            _refuse_special(path, False)
        executable = bool(status.st_mode & stat.S_IXUSR)
        if sink is None and status.st_size > SMALL_BYTES:
            size, root = _stream(descriptor, pool)
            return TreeEntry(path, size, executable, root)
        data = _read_all(descriptor, status.st_size)
        entry = TreeEntry(path, len(data), executable, tree.bytes_root(data))
        if sink:
            sink(entry, data)
        return entry
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, expected: int) -> bytes:
    """Read to the end into private memory; one extra byte tells a file that grew."""
    data = os.read(descriptor, expected + 1)
    if len(data) == expected:
        return data
    parts = [data]
    while part := os.read(descriptor, CHUNK):
        parts.append(part)
    return b"".join(parts)


def _stream(descriptor: int, pool: ThreadPoolExecutor) -> tuple[int, bytes]:
    """Size and chunk root of a large file: each 4 MiB window is read once and hashed by the pool."""
    size = 0

    def windows() -> Iterator[bytes]:
        nonlocal size
        while chunk := _window(descriptor):
            size += len(chunk)
            yield chunk

    # At most a few windows are in memory at once: batches bound what `map` would read ahead.
    hashes: list[bytes] = []
    batch: list[bytes] = []
    for chunk in windows():
        batch.append(chunk)
        if len(batch) == BATCH:
            hashes += pool.map(tree.CHUNKS.leaf, batch)
            batch = []
    hashes += pool.map(tree.CHUNKS.leaf, batch)
    return size, merkle.root(hashes, tree.CHUNKS)


def _window(descriptor: int) -> bytes:
    parts: list[bytes] = []
    left = CHUNK
    while left and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
