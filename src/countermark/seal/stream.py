"""The plaintext of an asset as blocks of chunks, each byte read once, and hashed as a tree in other threads while it is encrypted.

One thread reads. A block goes to whoever encrypts it; the pieces of a file's 4 MiB leaf go, once all are read, to whoever hashes them. A block's
memory is filled again when both are done with it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from io import BytesIO
from queue import Empty, SimpleQueue

from countermark import merkle
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import CHUNK_BYTES, TreeEntry
from countermark.seal.container import Progress
from countermark.seal.memory import Private
from countermark.seal.plain import Plain, ReadAt, changed

BLOCK_BYTES = 1 << 20
"""What is read, and encrypted by one thread, at a time: one large chunk, or many small ones."""
_HERE_BYTES = 64 << 10
"""Up to here a leaf is hashed by the thread that reads: to hand it to another would cost more."""


class Block:
    """Whole chunks of plaintext, in memory that is used again when everybody who holds it let go.

    Attributes:
        view: the bytes, writable.
    """

    def __init__(self, size: int, spare: SimpleQueue[Block]) -> None:
        self._all = self.view = Private(size).view
        self._spare, self._lock, self._holders = spare, threading.Lock(), 1

    def cut(self, size: int) -> None:
        """Only so many bytes are filled: the last block."""
        self.view = self._all[:size]

    def hold(self) -> None:
        """One more needs the bytes."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """One needs them no more."""
        with self._lock:
            self._holders -= 1
            free = not self._holders
        if free:
            self._holders = 1
            self._spare.put(self)


class Stream:
    """The plaintext of all files in order, and their tree.

    Attributes:
        entries: of the files, once `blocks` has come to its end.
    """

    def __init__(self, plain: Plain, chunk: int, pool: Executor | None, progress: Progress | None) -> None:
        self._plain, self._block, self._pool, self._progress = plain, max(chunk, BLOCK_BYTES), pool, progress
        self._spare: SimpleQueue[Block] = SimpleQueue()
        self._waiting: deque[_File] = deque()
        self._done = 0
        self.entries: list[TreeEntry] = []

    def blocks(self, *, with_index: bool) -> Iterator[Block]:
        """The stream; the last block is shorter, and there is none for no bytes. Whoever is done with a block releases it.

        Raises:
            TreeRefused: a file changed. OSError, Unusable, FormatRefused: it cannot be read.
        """
        block, filled = self._empty(), 0
        for read, size in self._parts(with_index):
            left = size
            while left:
                got = read(block, filled, left)
                filled, left = filled + got, left - got
                if filled == self._block:
                    yield block
                    block, filled = self._empty(), 0
        if filled:
            block.cut(filled)
            yield block

    def _empty(self) -> Block:
        try:
            return self._spare.get_nowait()
        except Empty:
            return Block(self._block, self._spare)

    def _settle(self) -> None:
        """Keep the entries of files whose hash is there: a future for each of millions would take gigabytes."""
        while self._waiting and self._waiting[0].hashed():
            self.entries.append(self._waiting.popleft().entry())

    def _parts(self, with_index: bool) -> Iterator[tuple[Callable[[Block, int, int], int], int]]:
        """What fills at most so many bytes of a block from one on, and how many there are in all, one file after the other."""
        for number, (planned, read_at) in enumerate(self._plain.files(), 1):
            file = _File(read_at, planned, self._pool)
            yield file.read, planned.size
            file.ended()
            self._waiting.append(file)
            self._settle()
            self._done += planned.size
            if self._progress:
                self._progress(number, self._done)
        self.entries += (file.entry() for file in self._waiting)
        if with_index:
            lines = BytesIO(b"".join(entry.line().encode() for entry in self.entries))
            yield lambda block, at, most: lines.readinto(block.view[at : at + most]), len(lines.getbuffer())


class _File:
    """One file, read once: what is encrypted is what its tree digest names."""

    def __init__(self, read_at: ReadAt, planned: TreeEntry, pool: Executor | None) -> None:
        self._read_at, self._planned, self._pool, self._at = read_at, planned, pool, 0
        self._leaves: list[bytes] = []
        self._later: deque[Future[bytes]] = deque()
        self._pieces: list[tuple[Block, memoryview]] = []

    def read(self, block: Block, at: int, most: int) -> int:
        """Fill a block from byte `at` on with as much as one read gives, up to the end of a leaf.

        Raises:
            TreeRefused: the file ended early. OSError: it cannot be read.
        """
        room = CHUNK_BYTES - self._at % CHUNK_BYTES
        view = block.view[at : at + min(most, room)]
        got = self._read_at(view, self._at)
        if not got:
            raise changed(self._planned.path)
        block.hold()
        self._pieces.append((block, view[:got]))
        self._at += got
        if got == room:
            self.ended()
        return got

    def ended(self) -> None:
        """A leaf was read, or the whole file: here what is small, unless it would overtake an earlier one."""
        pieces, self._pieces = self._pieces, []
        if not pieces:
            return
        if self._pool is not None and (not self.hashed() or sum(len(view) for _, view in pieces) > _HERE_BYTES):
            self._later.append(self._pool.submit(_hashed, pieces))
        else:
            self._leaves.append(_hashed(pieces))

    def hashed(self) -> bool:
        """Whether all leaves so far are; keeps the hashes that are there, and not who gave them."""
        while self._later and self._later[0].done():
            self._leaves.append(self._later.popleft().result())
        return not self._later

    def entry(self) -> TreeEntry:
        """The file with its chunk root; waits for those who hash it."""
        leaves = self._leaves + [leaf.result() for leaf in self._later]
        return self._planned._replace(root=merkle.root(leaves, SHA256.chunks))


def _hashed(pieces: list[tuple[Block, memoryview]]) -> bytes:
    """Leaf hash of some pieces, whose blocks are let go."""
    try:
        return SHA256.chunks.leaf_of(view for _, view in pieces)
    finally:
        for block, _ in pieces:
            block.release()
