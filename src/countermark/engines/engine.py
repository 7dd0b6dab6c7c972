"""One protocol, and the engines of one machine: in this thread, over threads, over processes; one BLAS thread each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from multiprocessing import get_context
from typing import Protocol, TypeVar

from countermark.errors import Unusable

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Engine(Protocol):
    """Applies a pure, importable function to batches.

    Guarantees: results come in the order of the batches, and are the same to the last bit for every engine,
    because each batch is computed whole by one thread. An exception of the function is raised to the caller; batches
    after it are not computed, or their results are dropped.
    """

    def map(self, function: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        """Results of `function`, one per batch, in order; batches are drawn from a stream as they are needed."""
        ...


class InProcess:
    """Everything in the calling thread."""

    def map(self, function: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        """As `Engine.map`."""
        with one_thread():
            for batch in batches:
                yield function(batch)


class Threads:
    """Threads of this process: nothing is copied, and NumPy lets them run side by side."""

    def __init__(self, workers: int) -> None:
        self._workers = checked_workers(workers)

    def map(self, function: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        """As `Engine.map`."""
        with one_thread(), ThreadPoolExecutor(self._workers) as pool:
            yield from _in_order(pool, function, batches, 2 * self._workers)


class Pool:
    """A pool of processes on this machine, started afresh; the caller's script needs a `__main__` guard."""

    def __init__(self, workers: int) -> None:
        self._workers = checked_workers(workers)

    def map(self, function: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        """As `Engine.map`."""
        with ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"), initializer=_pin) as pool:
            yield from _in_order(pool, function, batches, 2 * self._workers)


def _in_order(
    pool: Executor, function: Callable[[Batch], Result], batches: Iterable[Batch], ahead: int
) -> Iterator[Result]:
    """At most `ahead` batches are under way, so that memory does not grow with their number."""
    left = iter(batches)
    waiting = deque(pool.submit(function, batch) for batch in islice(left, ahead))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, batch) for batch in islice(left, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()


def checked_workers(workers: int) -> int:
    """A number of workers that can do anything.

    Raises:
        Unusable: it is below one.
    """
    if workers < 1:
        raise Unusable(f"{workers} workers", mend="at least one")
    return workers


def one_thread() -> AbstractContextManager[object]:
    """While it is entered, BLAS uses one thread: two pools on two cores only spin against each other."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def same_kernels() -> dict[str, str]:
    """What a process of another environment must be told to round as this one does: the kernels that OpenBLAS chose here.

    It chooses them by the processor, and by `OPENBLAS_CORETYPE`, which may be set here and is not there; another kernel adds
    up in another order. Empty where NumPy is built on another BLAS.
    """
    import numpy  # noqa: F401 (only a library that is loaded can be asked)
    from threadpoolctl import threadpool_info

    found = [pool.get("architecture") for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    return {"OPENBLAS_CORETYPE": found[0]} if found and found[0] else {}


def _pin() -> None:
    # Only libraries that are loaded already can be limited: a fresh worker has none of them yet.
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401

    one_thread()
