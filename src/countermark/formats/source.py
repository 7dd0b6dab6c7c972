"""Bytes at rest, read in bounded windows: from memory, or from a file whose every window is the one that was hashed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from blake3 import blake3

from countermark.errors import FormatRefused, Unusable
from countermark.formats.limits import Malformed
from countermark.sandbox.task import Source

WINDOW_BYTES = 4 << 20
_KEPT_WHOLE = 16 << 20
_BLOCK = 1 << 18
# Windows has none of the last three, and opens no links or pipes by these names; it needs the fourth.
_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


class Memory:
    """A source over bytes that nobody else can change.

    Attributes:
        size: length in bytes. links: always 1.
    """

    links = 1

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the bytes; what could still be written to is copied, a read-only view is not."""
        self._data: bytes | memoryview = data if isinstance(data, memoryview) and data.readonly else bytes(data)
        self.size = len(data)

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes."""
        return hashlib.sha256(self._data).hexdigest()

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`.

        Raises:
            Malformed: they are not there.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        return bytes(self._data[offset : offset + count])


class Slice:
    """Part of a source, as a source of its own.

    Attributes:
        size: length in bytes.
    """

    def __init__(self, source: Source, at: int, size: int) -> None:
        """Cut.

        Raises:
            Malformed: it would reach beyond.
        """
        if at < 0 or size < 0 or at + size > source.size:
            raise Malformed("truncated", f"{size} bytes at byte {at} of {source.size}", offset=source.size)
        self._source, self._at, self.size = source, at, size

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`.

        Raises:
            Malformed: they are not there.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        return self._source.read(self._at + offset, count)


class Buffered:
    """Small reads of a source, served from one block; large ones pass through."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = source.size
        self._at = 0
        self._block = b""

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`.

        Raises:
            Malformed: they are not there.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        if count >= _BLOCK:
            return self._source.read(offset, count)
        if offset < self._at or offset + count > self._at + len(self._block):
            self._block = self._source.read(offset, min(_BLOCK, self.size - offset))
            self._at = offset
        start = offset - self._at
        return self._block[start : start + count]


class FileSource:
    """A regular file, read and hashed once; a window that is read again must hash as it did then.

    The BLAKE3 digest of each 4 MiB window is kept: another process that writes to the file between
    hashing and parsing is found out. Small files are kept whole in private memory until `release`.

    Attributes:
        size: length in bytes. links: hard links to the file. executable: whether its owner may run it.
        sha256: hex digest of the whole file.
    """

    def __init__(self, path: Path, each: Callable[[bytes], object] | None = None) -> None:
        """Open, hash and remember.

        Args:
            path: the file; its last component may not be a link.
            each: given every window of `WINDOW_BYTES` in order, the last one shorter: the very bytes that are hashed here.

        Raises:
            Unusable: it cannot be opened or read. Malformed: not a regular file.
        """
        self._path, self._each = path, each
        self._whole: bytes | None = None
        self._last: tuple[int, bytes] = (-1, b"")
        self._digests: list[bytes] = []
        self._descriptor = self._open()
        with contextlib.ExitStack() as undo:
            undo.callback(self.release)
            self._begin()
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Close the file and forget its bytes; a later read opens it again and compares digests."""
        self._whole, self._last = None, (-1, b"")
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`, as they were when they were hashed.

        Raises:
            FormatRefused: they are not there, or the file was changed meanwhile.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        if self._whole is not None:
            return self._whole[offset : offset + count]
        first = offset // WINDOW_BYTES
        last = (offset + count - 1) // WINDOW_BYTES if count else first - 1
        pieces = b"".join(self._window(index) for index in range(first, last + 1))
        start = offset - first * WINDOW_BYTES
        return pieces[start : start + count]

    def _open(self) -> int:
        try:
            return os.open(self._path, _FLAGS)
        except OSError as error:
            raise Unusable(f"{self._path} cannot be opened: {error.strerror}") from error

    def _begin(self) -> None:
        facts = os.fstat(self._descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise Malformed("not-a-file", f"{self._path} is not a regular file")
        self.size, self.links, self.executable = facts.st_size, facts.st_nlink, facts.st_mode & stat.S_IXUSR != 0
        whole, kept = hashlib.sha256(), []
        for window, digest in self._fingerprints():
            whole.update(window)
            self._digests.append(digest())
            if self._each:
                self._each(window)
            if self.size <= _KEPT_WHOLE:
                kept.append(window)
        if self.size <= _KEPT_WHOLE:
            self._whole = b"".join(kept)
        self.sha256 = whole.hexdigest()

    def _fingerprints(self) -> Iterator[tuple[bytes, Callable[[], bytes]]]:
        """Each window, and what gives its digest: by another thread while this one hashes, where there are many."""
        windows = (self._pread(at, min(WINDOW_BYTES, self.size - at)) for at in range(0, self.size, WINDOW_BYTES))
        if self.size <= WINDOW_BYTES:
            yield from ((window, partial(_fingerprint, window)) for window in windows)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as beside:
            yield from ((window, beside.submit(_fingerprint, window).result) for window in windows)

    def _window(self, index: int) -> bytes:
        if self._last[0] != index:
            if self._descriptor < 0:
                self._descriptor = self._open()
            offset = index * WINDOW_BYTES
            window = self._pread(offset, min(WINDOW_BYTES, self.size - offset))
            if _fingerprint(window) != self._digests[index]:
                raise FormatRefused(
                    f"{self._path} was changed while it was being read",
                    why=f"the bytes from {offset} on differ from those that were hashed",
                    mend="stop whatever writes to it and try again",
                )
            self._last = (index, window)
        return self._last[1]

    def _pread(self, offset: int, count: int) -> bytes:
        pieces, left = [], count
        while left:
            try:
                piece = _pread(self._descriptor, left, offset + count - left)
            except OSError as error:
                raise Unusable(f"{self._path} cannot be read: {error.strerror}") from error
            if not piece:
                raise Malformed("truncated", f"{self._path} became shorter while it was being read", offset=offset)
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _fingerprint(window: bytes) -> bytes:
    return blake3(window).digest()


def _pread(descriptor: int, count: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)
