"""Plain hashes of files, as formats of others want them: whole or in pieces, beside the tree digest where it is wanted.

Each file is read once, a piece at a time, so that no file is ever whole in memory; several are read at once.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark import merkle
from countermark.artefact import walk
from countermark.artefact.buffer import mine
from countermark.artefact.folder import Progress
from countermark.artefact.profile import Profile
from countermark.artefact.reading import OPEN_FILE, SMALL_BYTES, Wants, refuse_changed
from countermark.artefact.tree import CHUNK_BYTES, TreeEntry, bytes_root
from countermark.errors import StatementRefused

AHEAD = 16
Work = Callable[[int, str, os.stat_result], "Plain"]


@dataclass(frozen=True, slots=True)
class Plain:
    """One file: its entry, whose root is empty unless a profile was given, and its digests in hex, whole or by piece."""

    entry: TreeEntry
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compute.

    Attributes:
        hash_type: by its name. piece: bytes after which a new hash begins; None for whole files. profile: the tree's hash.
        wants: called with path and size before a file is read; files that nobody wants are left out.
    """

    hash_type: str = "sha256"
    piece: int | None = None
    profile: Profile | None = None
    wants: Wants | None = None


def read(root: Path, plan: Plan, *, threads: int = 2, progress: Progress | None = None) -> Iterator[Plain]:
    """Hash every file of a folder, or a single file, in the order of the tree.

    Args:
        progress: called with (files done, bytes done).

    Raises:
        TreeRefused: links, devices, odd names, no files, a file that changed meanwhile. Unusable: unreadable.
        StatementRefused: no such hash.
    """
    done = 0
    for number, plain in enumerate(_all(root, plan, threads), 1):
        yield plain
        if progress:
            done += plain.entry.size
            progress(number, done)


def _all(root: Path, plan: Plan, threads: int) -> Iterator[Plain]:
    new = _constructor(plan.hash_type)
    waiting: deque[Plain | Future[Plain]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for place in walk.walk(root):
                for name in place.files:
                    waiting.extend(_begun(place, name, plan, functools.partial(_hashed, plan, new), pool))
                    while waiting and (len(waiting) > AHEAD or isinstance(waiting[0], Plain)):
                        yield _done(waiting.popleft())
            while waiting:
                yield _done(waiting.popleft())
        except OSError as error:
            raise walk.unreadable(root, error) from error


def _done(one: Plain | Future[Plain]) -> Plain:
    return one if isinstance(one, Plain) else one.result()


def _begun(
    place: walk.Place, name: str, plan: Plan, work: Work, pool: ThreadPoolExecutor
) -> tuple[Plain | Future[Plain], ...]:
    """Open a file while its folder is open, and have it hashed, here where it is small; nothing where nobody wants it."""
    path = place.prefix + name
    descriptor = walk.open_at(path, name, place.descriptor, OPEN_FILE)
    closing = True
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            walk.refuse_special(path, False)
        if plan.wants is not None and not plan.wants(path, status.st_size):
            return ()
        if status.st_size <= SMALL_BYTES:
            return (work(descriptor, path, status),)
        closing = False  # who hashes it closes it
    finally:
        if closing:
            os.close(descriptor)
    return (pool.submit(_closing, work, descriptor, path, status),)


def _closing(work: Work, descriptor: int, path: str, status: os.stat_result) -> Plain:
    try:
        return work(descriptor, path, status)
    finally:
        os.close(descriptor)


def _hashed(plan: Plan, new: Callable[..., Any], descriptor: int, path: str, before: os.stat_result) -> Plain:
    size, one = before.st_size, plan.piece is None or before.st_size <= plan.piece
    data = os.read(descriptor, size + 1) if one and size <= SMALL_BYTES else b""
    if one and len(data) == size:
        digests: tuple[str, ...] = (new(data).hexdigest(),)
        root = bytes_root(data, plan.profile) if plan.profile else b""
    else:
        digests, root = _in_pieces(plan, new, descriptor, size)
    refuse_changed(path, before, os.fstat(descriptor))
    return Plain(TreeEntry(path, size, before.st_mode & stat.S_IXUSR != 0, root), digests)


def _in_pieces(plan: Plan, new: Callable[..., Any], descriptor: int, size: int) -> tuple[tuple[str, ...], bytes]:
    """Digests and chunk root of a file, a piece of it in memory."""
    pieces, leaves = _Pieces(new, plan.piece), []
    for at in range(0, size, CHUNK_BYTES):
        passing = pieces.passing(mine().pieces(descriptor, at, min(at + CHUNK_BYTES, size)))
        if plan.profile:
            leaves.append(plan.profile.chunks.leaf_of(passing))
        else:
            deque(passing, maxlen=0)
    return pieces.digests(), merkle.root(leaves, plan.profile.chunks) if plan.profile else b""


class _Pieces:
    """Hashes bytes as they pass, a new hash after every so many of them; one state is alive."""

    def __init__(self, new: Callable[[], Any], size: int | None) -> None:
        self._new, self._size, self._room = new, size, size
        self._state, self._done = new(), list[str]()

    def passing(self, data: Iterator[memoryview]) -> Iterator[memoryview]:
        for piece in data:
            self._take(piece)
            yield piece

    def _take(self, rest: memoryview) -> None:
        while rest:
            if self._room == 0:
                self._done.append(self._state.hexdigest())
                self._state, self._room = self._new(), self._size
            part = rest[: self._room]
            self._state.update(part)
            rest = rest[len(part) :]
            if self._room is not None:
                self._room -= len(part)

    def digests(self) -> tuple[str, ...]:
        return (*self._done, self._state.hexdigest())


def _constructor(name: str) -> Callable[..., Any]:
    if name == "blake3":
        import blake3

        return blake3.blake3
    known: dict[str, Callable[..., Any]] = {"sha256": hashlib.sha256, "blake2b": hashlib.blake2b}
    if name not in known:
        raise StatementRefused(f"files are not hashed with {name!r:.40} here")
    return known[name]
