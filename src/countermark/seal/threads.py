"""Work on chunks, a few at once: everything below Python's own loop releases its lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_AHEAD = 4
"""Pieces of work handed in for each thread, at most."""


class Here(Executor):
    """No thread at all: what is submitted is done at once."""

    def submit(self, work: Callable[..., _Out], /, *args: Any, **named: Any) -> Future[_Out]:
        """As an executor, in the caller's own time."""
        done: Future[_Out] = Future()
        try:
            done.set_result(work(*args, **named))
        except Exception as error:
            done.set_exception(error)
        return done


def pool_of(threads: int) -> Executor:
    """So many threads; none of its own for one."""
    return ThreadPoolExecutor(threads) if threads > 1 else Here()


def in_threads(work: Callable[[_In], _Out], items: Iterable[_In], threads: int) -> Iterator[_Out]:
    """`work` of each, in order, a few at once; the first failure ends it after those under way."""
    if threads <= 1:
        yield from map(work, items)
        return
    with pool_of(threads) as pool:
        yield from windowed(pool, work, items, threads)


def windowed(
    pool: Executor, work: Callable[[_In], _Out], items: Iterable[_In], threads: int, ahead: int = _AHEAD
) -> Iterator[_Out]:
    """As `pool.map`, with few handed in at a time: items may be endless, and results large."""
    waiting: deque[Future[_Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for one in waiting:
            one.cancel()
