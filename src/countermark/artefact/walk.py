"""Walking a folder once, by directory descriptors and in the order of path bytes; links are never followed.

The order needs no second sort: among the entries of one folder, files sort as ``name`` and folders as ``name/``, and
whatever lies below a folder stands where the folder does. Memory: the names of the folders on the way down, each at
most one run of a `Sorter`, so that ten million files in one folder are walked like ten.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from countermark.artefact import tree
from countermark.artefact.spill import RUN, Sorter
from countermark.errors import TreeRefused, Unusable

MAX_DEPTH = 64
BATCH = 512
_NOT_A_WORKSPACE = "it is part of a party's workspace, which stays as it is: name the folder of data in it"
OPEN_DIR = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A directory descriptor, its path below the root, and some regular files in it, in order."""

    descriptor: int
    prefix: str
    files: list[str]


def walk(root: Path) -> Iterator[Place]:
    """Every file below `root`, or `root` itself where it is a regular file.

    Raises:
        TreeRefused: links, devices, odd names, empty folders, too many folders within each other.
        OSError, Unusable: something cannot be read.
    """
    if root.is_file() and not root.is_symlink():
        descriptor = os.open(root.parent, os.O_RDONLY)
        try:
            tree.check_path(root.name)
            yield Place(descriptor, "", [root.name])
        finally:
            os.close(descriptor)
        return
    yield from _below(os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)), "", 0)


def paths(root: Path) -> Iterator[str]:
    """Paths of all files, in the order of the tree.

    Raises:
        As `walk`.
    """
    return (place.prefix + name for place in walk(root) for name in place.files)


def measure(root: Path) -> tuple[int, int]:
    """How many files a folder has, and how many bytes; for telling how long reading it will take.

    Raises:
        As `walk`; Unusable instead of OSError.
    """
    count = size = 0
    try:
        for place in walk(root):
            count += len(place.files)
            for name in place.files:
                size += os.stat(name, dir_fd=place.descriptor, follow_symlinks=False).st_size
    except OSError as error:
        raise unreadable(root, error) from error
    return count, size


def unreadable(root: Path | str, error: OSError) -> Unusable:
    """The error that names a folder or file which cannot be read."""
    return Unusable(f"cannot read {root}", why=str(error), mend="check the path and its permissions")


def refuse_special(path: str, is_link: bool) -> None:
    """Refuse what is neither a file nor a folder.

    Raises:
        TreeRefused: always.
    """
    what = "a symbolic link" if is_link else "neither a file nor a folder"
    raise TreeRefused(f"{path} is {what}", why="it could lead outside or never end", mend="copy the real file here")


def open_at(path: str, name: str, parent: int, flags: int) -> int:
    """Open `name` in the directory `parent`; `path` is what messages call it.

    Raises:
        Unusable: it cannot be opened.
    """
    try:
        return os.open(name, flags, dir_fd=parent)
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=str(error), mend="check its permissions") from error


@contextlib.contextmanager
def opened(root: int, path: str, flags: int) -> Iterator[int]:
    """Open a file below the directory `root`, following no link on the way.

    Raises:
        Unusable: it cannot be opened.
    """
    with contextlib.ExitStack() as held:
        above = root
        *folders, name = path.split("/")
        for part in folders:
            above = open_at(path, part, above, OPEN_DIR)
            held.callback(os.close, above)
        descriptor = open_at(path, name, above, flags)
        held.callback(os.close, descriptor)
        yield descriptor


def _below(descriptor: int, prefix: str, depth: int) -> Iterator[Place]:
    """All below `descriptor`, which is closed afterwards."""
    try:
        if depth > MAX_DEPTH:
            raise TreeRefused(f"{prefix[:80]}... is nested deeper than {MAX_DEPTH} folders")
        files: list[str] = []
        for key in _keys(descriptor, prefix, depth):
            is_folder = key[-1] == "/"
            if files and (is_folder or len(files) == BATCH):
                yield Place(descriptor, prefix, files)
                files = []
            if is_folder:
                below = open_at(prefix + key[:-1], key[:-1], descriptor, OPEN_DIR)
                yield from _below(below, prefix + key, depth + 1)
            else:
                files.append(key)
        if files:
            yield Place(descriptor, prefix, files)
    finally:
        os.close(descriptor)


def _keys(descriptor: int, prefix: str, depth: int) -> Iterable[str]:
    """Files as ``name`` and folders as ``name/``, in the order of path bytes; spilled where they are many."""
    names: list[str] = []
    spilled = Sorter()
    short = len(prefix) * 4 + 255 <= tree.MAX_PATH_BYTES
    with os.scandir(descriptor) as listing:
        for item in listing:
            name = item.name
            if not (short and tree.is_plain(name)):  # a directory lists no "/", "." or ".."
                tree.check_path(prefix + name)
            if item.is_file(follow_symlinks=False):
                names.append(name)
            elif item.is_dir(follow_symlinks=False):
                names.append(name + "/")
            else:
                refuse_special(prefix + name, item.is_symlink())
            if len(names) >= RUN:
                _move(names, spilled)
    if spilled.empty:
        if depth and not names:
            raise TreeRefused(
                f"{prefix} is an empty folder",
                why="a digest over files cannot bind it",
                mend=_NOT_A_WORKSPACE if ".countermark" in prefix.split("/") else "remove it",
            )
        return sorted(names)
    _move(names, spilled)
    return spilled.merged()


def _move(names: list[str], spilled: Sorter) -> None:
    for name in names:
        spilled.add(name)
    names.clear()
