"""What is read to be sealed: hashed in other threads, in order, and no more remembered of it than its hashes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from countermark.artefact.profile import SHA256
from countermark.artefact.tree import CHUNK_BYTES, TreeEntry, bytes_root
from countermark.seal.plain import ReadAt
from countermark.seal.stream import Block, Stream
from countermark.seal.threads import windowed

THREADS = 2
MOST_WAITING = 200
"""Blocks and leaves under way: four blocks a thread with fifteen of these files in each, and some."""


class Zeros:
    """Files of zeros, and how many futures are alive, looked at now and then while they are read."""

    name, single = "zeros", False

    def __init__(self, *sizes: int) -> None:
        self.entries = [TreeEntry(f"{n:04}.bin", size, False, bytes(32)) for n, size in enumerate(sizes)]
        self.futures: list[int] = []
        self._reads = 0

    def files(self) -> Iterator[tuple[TreeEntry, ReadAt]]:
        for entry in self.entries:
            yield entry, self._read

    def _read(self, view: memoryview, at: int) -> int:
        view[:] = bytes(len(view))
        self._reads += 1
        if self._reads % 50 == 1:
            self.futures.append(sum(isinstance(one, Future) for one in gc.get_objects()))
        return len(view)


def streamed(plain: Zeros, pool: Executor | None) -> Stream:
    stream = Stream(plain, 64 << 10, pool, None)
    for _ in windowed(pool, Block.release, stream.blocks(with_index=False), THREADS):
        pass
    return stream


@pytest.mark.parametrize(
    "sizes", [[70_000] * 600, [120 * CHUNK_BYTES], [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 9, 70_000, 5]]
)
def test_entries_are_in_order_and_what_hashed_them_is_let_go(sizes: list[int]) -> None:
    """A million files of 100 KB took a future each, 2 GB, until the last was read."""
    plain = Zeros(*sizes)
    before = sum(isinstance(one, Future) for one in gc.get_objects())
    with ThreadPoolExecutor(THREADS) as pool:
        stream = streamed(plain, pool)
    roots = {size: bytes_root(bytes(size), SHA256) for size in set(sizes) if size < 100 * CHUNK_BYTES}
    assert [entry.path for entry in stream.entries] == [entry.path for entry in plain.entries]
    assert all(entry.root == roots.get(entry.size, entry.root) for entry in stream.entries)
    assert max(plain.futures) - before < MOST_WAITING
    if sum(sizes) < 100 * CHUNK_BYTES:
        assert streamed(plain, None).entries == stream.entries
