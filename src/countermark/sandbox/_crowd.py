"""How many threads live behind a program's namespaces. Source: proc(5), pid_namespaces(7).

RLIMIT_NPROC cannot do this: the kernel never applies it to what root started, and for anybody else it would also
count what the user runs outside.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def crowd(pid: int, enough: int) -> int:
    """Threads in the process namespace that the children of `pid` live in, counted until they are more than `enough`.

    Zero where there is no such namespace (yet), or where there is no /proc.
    """
    inside = _namespace_below(pid)
    if inside is None:
        return 0
    total = 0
    for name in os.listdir(_PROC):
        if total > enough:
            break
        if name.isdigit() and _namespace(int(name)) == inside:
            total += _threads(int(name))
    return total


def _namespace_below(pid: int) -> int | None:
    """The first namespace among descendants of `pid` that is not this process's own."""
    own, pending = _namespace(os.getpid()), [pid]
    while pending:
        for child in _children(pending.pop()):
            found = _namespace(child)
            if found is not None and found != own:
                return found
            pending.append(child)
    return None


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in (_PROC / f"{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []  # it is gone


def _namespace(pid: int) -> int | None:
    try:
        return (_PROC / f"{pid}/ns/pid").stat().st_ino
    except OSError:
        return None  # it is gone, or another user's


def _threads(pid: int) -> int:
    try:
        return max(1, (_PROC / f"{pid}/task").stat().st_nlink - 2)
    except OSError:
        return 0
