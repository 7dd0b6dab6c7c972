"""What a verifier returns: a handle that hands on the very bytes that were verified, and nothing else.

Whoever verifies a folder and then gives its *path* to a loader verified one thing and loads another: between the two
anybody who may write there can swap the file. A handle holds a directory descriptor and what each file must be. A file
is opened once, links refused, copied into memory of this process alone, hashed *there*, and compared; only then its
bytes are given out. Files that nobody asks for are not read.
"""

from __future__ import annotations

import contextlib
import os
import stat
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from countermark.artefact import _private, reading, walk
from countermark.artefact.profile import SHA256, Profile
from countermark.artefact.tree import CHUNK_BYTES, Tree, TreeEntry, compare
from countermark.errors import TreeRefused, Unusable
from countermark.merkle import joint_root

_MEND = "get it from its owner again"
_Data = TypeVar("_Data")


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes [start, stop) of one file, and the hashes that lead from the chunks they lie in to the file's chunk root."""

    path: str
    start: int
    stop: int
    hashes: tuple[bytes, ...]

    @classmethod
    def of(cls, entry: TreeEntry, start: int, stop: int, hashes: tuple[bytes, ...]) -> Window:
        """A window of that file.

        Raises:
            TreeRefused: the file has no such bytes.
        """
        if not 0 <= start < stop <= entry.size:
            raise TreeRefused(f"{entry.path!r:.120} has no bytes {start} to {stop}", why=f"it has {entry.size} bytes")
        return cls(entry.path, start, stop, hashes)

    @property
    def chunks(self) -> range:
        """Indices of the chunks that the bytes lie in."""
        return range(self.start // CHUNK_BYTES, -(-self.stop // CHUNK_BYTES))


@dataclass(frozen=True, slots=True)
class Proven:
    """Files that a proof showed to be in the tree of that digest; of the others nothing is known."""

    entries: tuple[TreeEntry, ...]
    digest: str
    profile: Profile = SHA256


class Handle:
    """Verified files, each read once and when it is first asked for; a context manager, for one thread at a time.

    Attributes:
        digest: of the tree, hex. whole: whether all of its files are here. paths: their names, sorted.
    """

    def __init__(self, root: Path, expected: Tree | Proven, threads: int = 2) -> None:
        self.digest, self.whole = expected.digest, isinstance(expected, Tree)
        self.paths = tuple(entry.path for entry in expected.entries)
        self._name, self._threads, self._profile = root.name or str(root), threads, expected.profile
        self._entries = {entry.path: entry for entry in expected.entries}
        self._kept: dict[str, memoryview] = {}
        self._hashed: set[str] = set()
        self._root = _open_root(root)
        self._end = weakref.finalize(self, os.close, self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def size(self, path: str) -> int:
        """Bytes of a file, as they were signed."""
        return self._entry(path).size

    def executable(self, path: str) -> bool:
        """Whether a file was signed as one that can be run."""
        return self._entry(path).executable

    def view(self, path: str) -> memoryview:
        """The verified bytes, read-only, in private memory that lives as long as somebody looks at it.

        Raises:
            TreeRefused: not a file of this tree, or it is not what was signed. Unusable: it cannot be read.
        """
        if path not in self._kept:
            self._kept[path] = self._fresh(path, _private.anonymous)
        return self._kept[path].toreadonly()

    def content(self, path: str) -> bytes:
        """The verified bytes as one object; a second copy where `view` was asked for first.

        Raises:
            As `view`; Unusable: they are more than 2 GiB.
        """
        if path not in self._kept:
            self._kept[path] = memoryview(self._fresh(path, _private.whole))
        kept = self._kept[path].obj
        return kept if isinstance(kept, bytes) else bytes(self._kept[path])

    def window(self, window: Window) -> memoryview:
        """The bytes of a window, read-only, verified by reading the chunks that they lie in and no others.

        Raises:
            As `view`.
        """
        entry = self._entry(window.path)
        begin = window.chunks.start * CHUNK_BYTES
        with self._open(window.path) as (descriptor, _):
            data = _private.part(descriptor, begin, min(window.chunks.stop * CHUNK_BYTES, entry.size))
        leaf, known = self._profile.chunks.leaf, {}
        for chunk in window.chunks:
            at = chunk * CHUNK_BYTES - begin
            known[chunk] = leaf(data[at : at + CHUNK_BYTES])
        chunks = -(-entry.size // CHUNK_BYTES)
        self._match(entry, entry._replace(root=joint_root(known, chunks, window.hashes, self._profile.chunks)))
        return data[window.start - begin : window.stop - begin].toreadonly()

    def take(self, path: str) -> memoryview:
        """The verified bytes, writable: the caller's alone, and forgotten here.

        Raises:
            As `view`.
        """
        kept = self._kept.pop(path, None)
        if kept is None:
            return self._fresh(path, _private.anonymous)
        return memoryview(bytearray(kept))  # others may hold views of what was kept

    @contextlib.contextmanager
    def sealed(self, path: str) -> Iterator[str]:
        """A path, for loaders that take nothing else: a file in memory that nobody can change, gone afterwards.

        Hashed after it was sealed. It is one file: a loader that wants its neighbours too, or a certain ending, does not
        find them, and must be given bytes, or the whole folder by `runtime.mounted`.

        Raises:
            As `view`; Unusable: this platform has no sealed files in memory.
        """
        with self.sealed_file(path) as descriptor:
            yield f"/proc/self/fd/{descriptor}"

    @contextlib.contextmanager
    def sealed_file(self, path: str) -> Iterator[int]:
        """As `sealed`, by its descriptor, which stands at the beginning of the file.

        Raises:
            As `sealed`.
        """
        entry = self._entry(path)
        with _private.sealed(path.rpartition("/")[2], self._filler(entry), entry.size) as (descriptor, data):
            root = _private.chunk_root(data, self._profile, self._threads)
            self._hold(entry._replace(root=root))
            os.lseek(descriptor, 0, os.SEEK_SET)
            yield descriptor

    def check_rest(self) -> None:
        """Hash the files that nobody asked for, without keeping them: afterwards the whole tree was seen.

        Raises:
            As `view`.
        """
        for path in self.paths:
            if path not in self._hashed:
                with self._open(path) as (descriptor, seen):
                    root = _private.streamed(descriptor, seen.size, self._profile, self._threads)
                self._hold(seen._replace(root=root))

    def forget(self, path: str) -> None:
        """Drop the handle's hold on a file's bytes; they are freed when nobody looks at them any more."""
        self._kept.pop(path, None)

    def close(self) -> None:
        """Close the folder and forget all bytes; views that were given out stay good."""
        self._kept.clear()
        self._end()

    def _entry(self, path: str) -> TreeEntry:
        if path not in self._entries:
            raise TreeRefused(f"{path!r:.120} is not among the files that were signed")
        return self._entries[path]

    def _fresh(self, path: str, copy: Callable[[int, int, Profile, int], tuple[_Data, bytes]]) -> _Data:
        with self._open(path) as (descriptor, seen):
            data, root = copy(descriptor, seen.size, self._profile, self._threads)
        self._hold(seen._replace(root=root))
        return data

    def _filler(self, entry: TreeEntry) -> Callable[[int], None]:
        def fill(target: int) -> None:
            if entry.path in self._kept:
                _private.write_to(target, self._kept[entry.path])
                return
            with self._open(entry.path) as (descriptor, seen):
                _private.copy_to(descriptor, target, seen.size)

        return fill

    @contextlib.contextmanager
    def _open(self, path: str) -> Iterator[tuple[int, TreeEntry]]:
        """A descriptor, and what its status tells of the file; its size is the signed one."""
        expected = self._entry(path)
        if not self._end.alive:
            raise Unusable(f"the handle to {self._name} was closed before {path} was read")
        with walk.opened(self._root, path, reading.OPEN_FILE) as descriptor:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                walk.refuse_special(path, False)
            # The signed root stands in for the one that is not known yet, so that only the status is compared.
            seen = _told(expected, status)
            self._match(expected, seen)
            try:
                yield descriptor, seen
            except OSError as error:
                raise walk.unreadable(path, error) from error

    def _hold(self, seen: TreeEntry) -> None:
        """Compare a file that was hashed."""
        self._match(self._entry(seen.path), seen)
        self._hashed.add(seen.path)

    def _match(self, expected: TreeEntry, seen: TreeEntry) -> None:
        if expected != seen:
            (difference,) = compare(Tree((expected,), ""), Tree((seen,), ""))
            raise TreeRefused(f"{self._name} is not what was signed: {difference}", mend=_MEND)


def open_verified(path: Path, proof: Tree | Proven, *, threads: int = 2) -> Handle:
    """A handle to the files of a folder, or to a single file.

    Names, sizes and executable bits are compared now, content when it is first asked for: nothing that differs is ever
    handed on. Call `Handle.check_rest` where even files that nobody uses must be right.

    Args:
        proof: what was signed: the whole tree, after which a missing or extra file is refused, or proven files of it.
        threads: that copy and hash a file of more than 4 MiB.

    Raises:
        TreeRefused: names, sizes or bits differ, links, devices. Unusable: something cannot be read.
    """
    handle = Handle(path, proof, threads)
    with contextlib.ExitStack() as failed:
        failed.callback(handle.close)
        if isinstance(proof, Tree):
            _refuse_others(path, proof)
        failed.pop_all()  # it is the caller's now
    return handle


def _open_root(root: Path) -> int:
    single = root.is_file() and not root.is_symlink()
    try:
        return os.open(root.parent if single else root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError as error:
        raise walk.unreadable(root, error) from error


def _refuse_others(root: Path, expected: Tree) -> None:
    """Compare all that can be told without reading a byte."""
    wanted = {entry.path: entry for entry in expected.entries}
    nothing = TreeEntry("", 0, False, b"")
    seen = []
    try:
        for place in walk.walk(root):
            for name in place.files:
                status = os.stat(name, dir_fd=place.descriptor, follow_symlinks=False)
                path = place.prefix + name
                seen.append(_told(wanted.get(path, nothing), status)._replace(path=path))
    except OSError as error:
        raise walk.unreadable(root, error) from error
    if differences := compare(expected, Tree(tuple(seen), "")):
        raise TreeRefused(
            f"{root.name or root} is not what was signed: {differences[0]}",
            why="; ".join(str(d) for d in differences[1:6]),
            mend=_MEND,
        )


def _told(expected: TreeEntry, status: os.stat_result) -> TreeEntry:
    """What a status says of a file; its root is the expected one, or none where the size shows that it differs."""
    root = expected.root if status.st_size == expected.size else b""
    return TreeEntry(expected.path, status.st_size, status.st_mode & stat.S_IXUSR != 0, root)
