"""One buffer for each thread, through which large files that nobody keeps are read and hashed.

Reused, because a fresh object costs a page fault for every 4 KiB that are read into it. Small, because a piece is hashed
while it is in the core's own cache. At the beginning of a page, because the kernel copies to other places several times
slower on some processors (Zen 3: five times where the target is 8 or 16 bytes off a cache line, as Python's objects are).
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator

from countermark.merkle import Hashing

PIECE_BYTES = 256 << 10
_held = threading.local()


class Buffer:
    """Memory for one piece; what it gives is good until the next piece is asked for."""

    def __init__(self) -> None:
        self._data = memoryview(mmap.mmap(-1, PIECE_BYTES))
        self._target = [self._data]

    def pieces(self, descriptor: int, begin: int, end: int) -> Iterator[memoryview]:
        """Bytes [begin, end) of a file, piece by piece; fewer where it ends early."""
        while begin < end:
            target = self._target if end - begin >= PIECE_BYTES else [self._data[: end - begin]]
            done = os.preadv(descriptor, target, begin)
            if not done:
                return
            yield self._data[:done]
            begin += done


def mine() -> Buffer:
    """The buffer of this thread."""
    found: Buffer | None = getattr(_held, "buffer", None)
    if found is None:
        found = _held.buffer = Buffer()
    return found


def leaf_at(descriptor: int, begin: int, end: int, hashing: Hashing) -> bytes:
    """Leaf hash of bytes [begin, end) of a file, or of what there is of them."""
    return hashing.leaf_of(mine().pieces(descriptor, begin, end))
