"""Private memory for plaintext: of this process alone, left out of core dumps, overwritten where something fails."""

from __future__ import annotations

import contextlib
import mmap
import threading

from countermark.errors import Unusable

_POPULATE_WRITE = 23 if hasattr(mmap, "MADV_NOHUGEPAGE") else None  # Linux's number; Python has no name for it
_DONT_DUMP = getattr(mmap, "MADV_DONTDUMP", None)


class Private:
    """`size` bytes of zeros.

    Attributes:
        view: all of them, writable.

    Raises:
        Unusable: there is not so much memory.
    """

    def __init__(self, size: int) -> None:
        try:
            # A shared mapping, Python's default, could be written by every process that is forked from this one.
            self._memory = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, OverflowError, ValueError) as error:
            raise Unusable(f"there is no memory for {size} bytes", why=str(error)) from error
        self.view = memoryview(self._memory)[:size]
        self._advise(_DONT_DUMP, 0, size)

    def populate(self, at: int, count: int) -> None:
        """Ask for some pages at once, which saves a fault for each; `at` is rounded down to a page."""
        begin = at - at % mmap.PAGESIZE
        self._advise(_POPULATE_WRITE, begin, at + count - begin)

    def _advise(self, advice: int | None, at: int, count: int) -> None:
        if advice is not None and count:
            with contextlib.suppress(OSError):  # a kernel that takes no such advice is slower, or dumps more
                self._memory.madvise(advice, at, count)


class Scratch(threading.local):
    """A buffer for each thread, into which a ciphertext chunk is read once, hashed, and decrypted from."""

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))
