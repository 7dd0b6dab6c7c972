"""By what a file that was read is known again, so that it is not parsed and verified anew for each request."""

from __future__ import annotations

import os

Stamp = tuple[tuple[int, int, int, int], ...]


def stamp(*paths: str) -> Stamp:
    """Of files that are about to be read; another one afterwards means that one of them may be another.

    The time of change is in it, because whoever writes into a file in place can set its time of modification back, and a restored backup does.

    Raises:
        OSError: one is not there.
    """
    return tuple((s.st_ctime_ns, s.st_mtime_ns, s.st_ino, s.st_size) for s in map(os.stat, paths))
