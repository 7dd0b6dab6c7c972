"""The process that Daft runs in: takes groups of batches as bytes, and gives back results as bytes, in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from countermark.engines.daft import FAILED, QUIET
from countermark.engines.engine import one_thread, same_kernels

DONE = b"\0"


def main(descriptor: int) -> None:
    """Serve the parent at the other end of a descriptor until it closes its own.

    The first message is the function, the number of workers and the cluster (empty: native); each later one is a group.
    """
    with Connection(descriptor) as parent:
        function, workers, cluster = parent.recv()
        _choose(int(workers), cluster.decode())
        parent.send([])
        while True:
            try:
                group = parent.recv()
            except EOFError:
                return
            parent.send(_results(function, group, int(workers), bool(cluster)))


def _choose(workers: int, cluster: str) -> None:
    import daft

    if not cluster:
        daft.set_runner_native(num_threads=workers)
        return
    import ray

    quiet = {name: value for name, value in QUIET.items() if name != "PATH"}  # workers import Daft too
    told = quiet | same_kernels()
    ray.init(address=cluster, log_to_driver=False, include_dashboard=None, runtime_env={"env_vars": told})
    daft.set_runner_ray(noop_if_initialized=True)


def _results(function: bytes, group: list[bytes], workers: int, cluster: bool) -> list[bytes]:
    import daft

    apply = daft.func(_applied(function), return_dtype=daft.DataType.binary())
    frame = daft.from_pydict({"place": list(range(len(group))), "batch": group})
    frame = frame.into_partitions(min(workers, len(group))) if cluster else frame.into_batches(1)
    rows = frame.select(frame["place"], apply(frame["batch"]).alias("result")).iter_rows()
    found: dict[int, bytes] = {row["place"]: row["result"] for row in rows}
    return [found[at] for at in range(len(group))]


def _applied(function: bytes) -> Callable[[bytes], bytes]:
    def apply(batch: bytes) -> bytes:
        return run(function, batch)

    apply.__annotations__ = {"batch": bytes, "return": bytes}
    return apply


def run(function: bytes, batch: bytes) -> bytes:
    """One batch in a worker: its result or its error behind a mark, for the parent to return or raise."""
    _pinned()
    try:
        return DONE + _packed(ForkingPickler.loads(function)(ForkingPickler.loads(batch)))
    except Exception as error:  # noqa: BLE001 (whatever it is, it is raised where the function was asked for)
        try:
            return FAILED + _packed(error)
        except (TypeError, AttributeError, ValueError):
            return FAILED + _packed(RuntimeError(f"{type(error).__name__}: {error}"))


def _packed(value: Any) -> bytes:
    return bytes(ForkingPickler.dumps(value))


@cache
def _pinned() -> object:
    return one_thread()
