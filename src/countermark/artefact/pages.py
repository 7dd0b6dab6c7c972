"""Anonymous memory for a large file, on huge pages for as long as these are the cheaper ones.

A huge page saves 511 page faults, a quarter of what copying 2 GiB costs. Under a hypervisor that must first find or remake
the memory behind it, it can cost eight times as much as the small pages that it stands for, and nothing tells beforehand.
So the first stretch, as long as a huge page, is filled on small ones, the others on huge ones, and what each costs decides
about the next. Where three in a row were dear, no more are asked for: what is dear comes in hundreds, and to try again costs
more than it finds. Small pages are asked for a piece at a time (`MADV_POPULATE_WRITE`, Linux 5.14), which saves a fault for each.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from countermark.errors import Unusable

PIECE_BYTES = 512 << 10
"""Zeroed, filled and hashed at once: it fits into the second cache of a core."""
STRETCH_BYTES = 2 << 20
"""A huge page: what is filled on pages of one kind before what it cost is looked at."""

_SMALL = getattr(mmap, "MADV_NOHUGEPAGE", None)
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)
_POPULATE_WRITE = 23 if _SMALL is not None else None  # Linux's number for it on every architecture; Python has no name
_PATIENCE = 3
_Out = TypeVar("_Out")


class Pages:
    """`size` bytes of zeros, memory of this process alone, filled a stretch at a time and by several threads.

    Attributes:
        view: all of it, writable, at the beginning of a page.

    Raises:
        Unusable: there is not so much memory.
    """

    def __init__(self, size: int, *, starts: int = 0) -> None:
        """Take addresses; memory comes when it is filled.

        Args:
            starts: byte of a file or stream that the first one here is: what is there at a multiple of 2 MiB then lies on a new huge page.
        """
        spare = STRETCH_BYTES if size >= STRETCH_BYTES else 0
        try:
            # A shared mapping, Python's default, could be written by every process that is forked from this one.
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            self._memory = mmap.mmap(-1, spare + max(size, 1), flags=flags)
        except (OSError, OverflowError, ValueError) as error:
            raise Unusable(f"there is no memory for {size} bytes", why=str(error)) from error
        self._address = _address(self._memory) if spare else 0
        self._lead = (starts - self._address) % spare // mmap.PAGESIZE * mmap.PAGESIZE if spare else 0
        self.view = memoryview(self._memory)[self._lead : self._lead + size]
        self._lock = threading.Lock()
        self._small_cost, self._dear = 0.0, 0  # nanoseconds for a byte; how often in a row huge pages cost more

    @contextlib.contextmanager
    def stretch(self, at: int, count: int) -> Iterator[Stretch]:
        """Choose the pages of so many bytes, which the caller fills meanwhile; what that costs decides about the next stretch."""
        huge = self._small_cost > 0 and self._dear < _PATIENCE
        self.advise(_HUGE if huge else _SMALL, at, count)
        stretch = Stretch(self, huge)
        yield stretch
        if stretch.filled:
            self._learn(huge, stretch.spent / stretch.filled)

    def pieces(self, descriptor: int, offset: int, count: int) -> Iterator[memoryview]:
        """Copy `count` bytes at `offset` of a file to the same place here; gives each piece while it is in the cache.

        The last piece is short, or missing, where the file ends early.
        """
        for begin in range(offset, offset + count, STRETCH_BYTES):
            end = min(begin + STRETCH_BYTES, offset + count)
            with self.stretch(begin, end - begin) as stretch:
                for at in range(begin, end, PIECE_BYTES):
                    wanted = min(PIECE_BYTES, end - at)
                    piece = stretch.fill(at, wanted, functools.partial(filled, descriptor, at))
                    yield piece
                    if len(piece) < wanted:
                        return

    def populate(self, at: int, count: int) -> None:
        """Ask for some pages at once, which saves a fault for each; threads that hash and decrypt run meanwhile."""
        begin, end = self._pages(at, count)
        if _POPULATE_WRITE is not None and self._address and begin < end:
            _madvise()(self._address + begin, end - begin, _POPULATE_WRITE)

    def advise(self, advice: int | None, at: int, count: int) -> None:
        """Of the pages that begin in these bytes, so that each page is advised once, whatever the stretches are."""
        begin, end = self._pages(at, count)
        if advice is not None and begin < end:
            with contextlib.suppress(OSError):  # a kernel that takes no such advice is slower, and right
                self._memory.madvise(advice, begin, end - begin)

    def _pages(self, at: int, count: int) -> tuple[int, int]:
        """Where the first page that begins in these bytes begins, and the last one ends, from the beginning of the mapping."""
        begin, end = (-(-(self._lead + edge) // mmap.PAGESIZE) * mmap.PAGESIZE for edge in (at, at + count))
        return begin, min(end, -(-len(self._memory) // mmap.PAGESIZE) * mmap.PAGESIZE)

    def _learn(self, huge: bool, cost: float) -> None:
        with self._lock:
            if not huge:
                self._small_cost = min(cost, self._small_cost or cost)
            elif cost > self._small_cost:
                self._dear += 1
            elif self._dear < _PATIENCE:
                self._dear = 0


class Stretch:
    """Some bytes of `Pages` that are being filled on pages of one kind.

    Attributes:
        filled: bytes so far. spent: nanoseconds of this thread that it took.
    """

    def __init__(self, pages: Pages, huge: bool) -> None:
        self._pages, self._huge = pages, huge
        self.filled = self.spent = 0

    def fill(self, at: int, count: int, write: Callable[[memoryview], _Out]) -> _Out:
        """Have `write` fill `count` bytes at `at` of the pages; gives what it gives."""
        begin = time.thread_time_ns()
        if not self._huge:
            self._pages.populate(at, count)
        out = write(self._pages.view[at : at + count])
        self.spent += time.thread_time_ns() - begin
        self.filled += count
        return out


def _address(memory: mmap.mmap) -> int:
    """Where a mapping begins: at a huge page from Linux 6.7 on, before that at any page."""
    import ctypes  # beside NumPy it is there already; for those who hash only it is not worth its start

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


@functools.cache
def _madvise() -> Callable[[int, int, int], int]:
    """As `mmap.madvise`, which keeps Python's lock: half of what loading costs would be one thread's turn after the other's."""
    import ctypes

    call = ctypes.CDLL(None).madvise
    call.argtypes, call.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int], ctypes.c_int
    found: Callable[[int, int, int], int] = call
    return found


def filled(descriptor: int, offset: int, target: memoryview) -> memoryview:
    """Read into `target`, which is cut where the file ends: its hash then is another one."""
    at = 0
    while at < len(target) and (done := os.preadv(descriptor, [target[at:]], offset + at)):
        at += done
    return target[:at]
