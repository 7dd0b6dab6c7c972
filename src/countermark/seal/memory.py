"""Private memory for plaintext: of this process alone, left out of core dumps where the system can. Who fills it overwrites it where something fails."""

from __future__ import annotations

import contextlib
import mmap
import threading
from collections.abc import Callable

from countermark.artefact.pages import Pages

Fill = Callable[[Callable[[memoryview], None]], None]
"""Has a function fill a piece of memory that it is handed."""

_DONT_DUMP = getattr(mmap, "MADV_DONTDUMP", None)


class Private(Pages):
    """`Pages` that are left out of core dumps, where the system can."""

    def __init__(self, size: int, *, starts: int = 0) -> None:
        """As `Pages`."""
        super().__init__(size, starts=starts)
        self.advise(_DONT_DUMP, 0, size)


class Given:
    """Memory that somebody has already, filled in the same way.

    Attributes:
        view: writable bytes.
    """

    def __init__(self, view: memoryview) -> None:
        self.view = view

    def stretch(self, at: int, count: int) -> contextlib.AbstractContextManager[Given]:
        """As `Pages.stretch`; nothing is chosen."""
        return contextlib.nullcontext(self)

    def fill(self, at: int, count: int, write: Callable[[memoryview], None]) -> None:
        """As `Stretch.fill`."""
        write(self.view[at : at + count])


class Scratch(threading.local):
    """A buffer for each thread, into which a ciphertext chunk comes once, is hashed, and decrypted from.

    A leaf's prefix stands before it, so that both are hashed in one call: BLAKE3 takes twice as long for 64 KiB that come after a byte of their own. The
    buffer itself is at the beginning of a page, where the kernel copies fastest (`artefact.buffer`).

    Attributes:
        view: the buffer, writable.
    """

    def __init__(self, size: int, prefix: bytes = b"") -> None:
        self._begin = mmap.PAGESIZE - len(prefix)
        self._whole = Private(mmap.PAGESIZE + size).view
        self._whole[self._begin : mmap.PAGESIZE] = prefix
        self.view = self._whole[mmap.PAGESIZE :]

    def prefixed(self, count: int) -> memoryview:
        """The prefix and the first `count` bytes of the buffer."""
        return self._whole[self._begin : mmap.PAGESIZE + count]
