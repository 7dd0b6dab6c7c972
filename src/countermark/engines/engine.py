"""One protocol, two engines: in this process, or over a pool of processes with one BLAS thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Engine(Protocol):
    """Applies a pure, importable function to batches.

    Guarantees: results come in the order of the batches, and are the same to the last bit for every engine,
    because each batch is computed whole by one thread. An exception of the function is raised to the caller.
    """

    def map(self, function: Callable[[Batch], Result], batches: Sequence[Batch]) -> Iterator[Result]:
        """Results of `function`, one per batch, in order."""
        ...


class InProcess:
    """Everything in this process, on one BLAS thread."""

    def map(self, function: Callable[[Batch], Result], batches: Sequence[Batch]) -> Iterator[Result]:
        """As `Engine.map`."""
        with _one_thread():
            for batch in batches:
                yield function(batch)


class Pool:
    """A pool of processes on this machine."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(self, function: Callable[[Batch], Result], batches: Sequence[Batch]) -> Iterator[Result]:
        """As `Engine.map`."""
        with ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"), initializer=_pin) as pool:
            yield from pool.map(function, batches)


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def _pin() -> None:
    """Two BLAS pools on two cores only spin against each other."""
    _one_thread()
