"""What was written goes to the disk while more is encrypted, so that the last `fsync` finds little to do."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

_EACH = 64 << 20
_sync = getattr(os, "fdatasync", os.fsync)


class Early:
    """A thread that syncs a file after every 64 MiB, unless it still does; a context manager.

    Linux tells a file's failed writing to one `fsync` only, so that a failure here is never dropped: it comes out of `wrote`, or at the end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._count = descriptor, 0
        self._pool = ThreadPoolExecutor(1)
        self._under_way: Future[None] | None = None

    def wrote(self, count: int) -> None:
        """So many bytes more.

        Raises:
            OSError: those before are not on the disk.
        """
        self._count += count
        if self._count >= _EACH and (self._under_way is None or self._under_way.done()):
            self._ended()
            self._count, self._under_way = 0, self._pool.submit(_sync, self._descriptor)

    def _ended(self) -> None:
        if self._under_way is not None:
            self._under_way.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._pool.shutdown()
        if kind is None:
            self._ended()
