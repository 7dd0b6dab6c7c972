"""The plaintext of an asset cut into chunks, each byte read once, and hashed as a tree where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from queue import Empty, SimpleQueue

from countermark import merkle
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import CHUNK_BYTES, TreeEntry
from countermark.merkle import HashState
from countermark.seal.container import Progress
from countermark.seal.plain import Plain, ReadAt, changed


class Stream:
    """The plaintext of all files in order, cut into chunks, and hashed as a tree on the way.

    Attributes:
        entries: of the files read so far. spare: buffers that may be filled again.
    """

    def __init__(self, plain: Plain, chunk: int, progress: Progress | None) -> None:
        self._plain, self._chunk, self._progress = plain, chunk, progress
        self.entries: list[TreeEntry] = []
        self.spare: SimpleQueue[bytearray] = SimpleQueue()
        self._done = 0

    def chunks(self, *, with_index: bool) -> Iterator[bytearray]:
        """Buffers of `chunk` bytes, the last one shorter; none for no bytes."""
        buffer, filled = bytearray(self._chunk), 0
        for read, size in self._parts(with_index):
            left = size
            while left:
                got = read(memoryview(buffer)[filled : filled + left])
                filled, left = filled + got, left - got
                if filled == self._chunk:
                    yield buffer
                    buffer, filled = self._empty(), 0
        if filled:
            yield buffer[:filled]

    def _empty(self) -> bytearray:
        try:
            return self.spare.get_nowait()
        except Empty:
            return bytearray(self._chunk)

    def _parts(self, with_index: bool) -> Iterator[tuple[Callable[[memoryview], int], int]]:
        """What fills a view, and how many bytes it has in all, one file after the other."""
        for number, (planned, read_at) in enumerate(self._plain.files(), 1):
            file = _File(read_at, planned.path)
            yield file.read, planned.size
            self.entries.append(planned._replace(root=file.root()))
            self._done += planned.size
            if self._progress:
                self._progress(number, self._done)
        if with_index:
            lines = BytesIO(b"".join(entry.line().encode() for entry in self.entries))
            yield lines.readinto, len(lines.getbuffer())


class _File:
    """One file, read once, and hashed as it is read: what is encrypted is what its tree digest names."""

    def __init__(self, read_at: ReadAt, path: str) -> None:
        self._read_at, self._path, self._at = read_at, path, 0
        self._leaves: list[bytes] = []
        self._state: HashState | None = None

    def read(self, view: memoryview) -> int:
        """Fill as much of a view as one read gives.

        Raises:
            TreeRefused: the file ended early. OSError: it cannot be read.
        """
        room = CHUNK_BYTES - self._at % CHUNK_BYTES
        got = self._read_at(view[:room], self._at)
        if not got:
            raise changed(self._path)
        state = self._state or SHA256.new(SHA256.chunks.leaf_prefix)
        state.update(view[:got])
        self._at += got
        self._state = state
        if got == room:
            self._end()
        return got

    def root(self) -> bytes:
        """Chunk root of what was read."""
        self._end()
        return merkle.root(self._leaves, SHA256.chunks)

    def _end(self) -> None:
        if self._state is not None:
            self._leaves.append(self._state.digest())
            self._state = None
