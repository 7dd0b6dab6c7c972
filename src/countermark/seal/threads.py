"""Work on chunks, a few at once: everything below Python's own loop releases its lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_AHEAD = 4
"""Pieces of work handed in for each thread, at most."""


def pool_of(threads: int) -> Executor | None:
    """So many threads; none of its own for one."""
    return ThreadPoolExecutor(threads) if threads > 1 else None


def in_threads(work: Callable[[_In], _Out], items: Iterable[_In], threads: int) -> Iterator[_Out]:
    """`work` of each, in order, a few at once; the first failure ends it after those under way."""
    with pool_of(threads) or nullcontext() as pool:
        yield from windowed(pool, work, items, threads)


def windowed(pool: Executor | None, work: Callable[[_In], _Out], items: Iterable[_In], threads: int) -> Iterator[_Out]:
    """As `pool.map`, with few handed in at a time: items may be endless, and results large. Without a pool in the caller's own time."""
    if pool is None:
        yield from map(work, items)
        return
    waiting: deque[Future[_Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= _AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for one in waiting:
            one.cancel()
