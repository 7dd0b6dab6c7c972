"""Anonymous memory for a large file, on huge pages for as long as these are the cheaper ones.

A huge page saves 511 page faults, a quarter of what copying 2 GiB costs. Under a hypervisor that must first find or remake
the memory behind it, it can cost eight times as much as the small pages that it stands for, and nothing tells beforehand.
So the first chunk is read into small pages, the others into huge ones, and what each costs decides about the next. Small
pages are asked for a piece at a time (`MADV_POPULATE_WRITE`, Linux 5.14), which saves a fault for each.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import time
from collections.abc import Iterator

from countermark.errors import Unusable

PIECE_BYTES = 512 << 10
"""Zeroed, filled and hashed at once: it fits into the second cache of a core."""

_SMALL = getattr(mmap, "MADV_NOHUGEPAGE", None)
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)
_POPULATE_WRITE = 23 if _SMALL is not None else None  # Linux's number for it on every architecture; Python has no name
_PATIENCE = 3


class Pages:
    """`size` bytes of memory of this process alone, filled from a file, chunk by chunk and by several threads.

    Attributes:
        view: all of it, writable.

    Raises:
        Unusable: there is not so much memory.
    """

    def __init__(self, size: int) -> None:
        try:
            # A shared mapping, Python's default, could be written by every process that is forked from this one.
            self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise Unusable(f"there is no memory for {size} bytes", why=str(error)) from error
        self.view = memoryview(self._memory)
        self._lock = threading.Lock()
        self._small_cost, self._dear = 0.0, 0  # nanoseconds for a byte; how often in a row huge pages cost more

    def pieces(self, descriptor: int, offset: int, count: int) -> Iterator[memoryview]:
        """Copy `count` bytes at `offset` of a file to the same place here; gives each piece while it is in the cache.

        The last piece is short, or missing, where the file ends early.
        """
        huge = self._small_cost > 0 and self._dear < _PATIENCE
        self._advise(_HUGE if huge else _SMALL, offset, count)
        spent = 0
        for at in range(offset, offset + count, PIECE_BYTES):
            wanted = min(PIECE_BYTES, offset + count - at)
            begin = time.thread_time_ns()
            if not huge:
                self._advise(_POPULATE_WRITE, at, wanted)
            piece = filled(descriptor, self.view[at : at + wanted], at)
            spent += time.thread_time_ns() - begin
            yield piece
            if len(piece) < wanted:
                return
        self._learn(huge, spent / count)

    def _advise(self, advice: int | None, at: int, count: int) -> None:
        if advice is not None:
            with contextlib.suppress(OSError):  # a kernel that takes no such advice is slower, and right
                self._memory.madvise(advice, at, count)

    def _learn(self, huge: bool, cost: float) -> None:
        with self._lock:
            if not huge:
                self._small_cost = min(cost, self._small_cost or cost)
            elif cost > self._small_cost:
                self._dear += 1
            elif self._dear < _PATIENCE:
                self._dear = 0


def filled(descriptor: int, target: memoryview, offset: int) -> memoryview:
    """Read into `target`, which is cut where the file ends: its hash then is another one."""
    at = 0
    while at < len(target) and (done := os.preadv(descriptor, [target[at:]], offset + at)):
        at += done
    return target[:at]
