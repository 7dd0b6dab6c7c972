"""One suite over every engine: order, equality to the last bit, errors, bounded look-ahead."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ray_cluster import local_cluster
from threadpoolctl import threadpool_info

from countermark.engines.daft import QUIET, Daft
from countermark.engines.engine import Engine, InProcess, Pool, Threads, same_kernels
from countermark.errors import Inconclusive, Unusable
from countermark.features.arrow import batch_of, to_bytes
from countermark.features.grid import Grid
from countermark.features.pass_one import PassOne, features_of
from countermark.features.patches import PatchFeatures, encode_batch
from countermark.features.sums import Adding, Sums

NAMES = ["in process", "threads", "processes", "daft", "daft on ray"]


def absent(library: str) -> str | None:
    return None if find_spec(library) else f"{library} is not installed: pip install 'countermark[{library}]'"


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, Path]]:
    """A Ray cluster of two nodes with one worker each, on loopback: its head, and the file of its token."""
    if why := absent("daft") or absent("ray"):
        pytest.skip(why)
    with local_cluster() as found:
        yield found


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Engine:
    match request.param:
        case "in process":
            return InProcess()
        case "threads":
            return Threads(2)
        case "processes":
            return Pool(2)
        case "daft on ray":
            head, token = request.getfixturevalue("cluster")
            return Daft(2, cluster=head, token=token)
    if why := absent("daft"):
        pytest.skip(why)
    return Daft(2)


def double(batch: int) -> int:
    return 2 * batch


def picky(batch: int) -> int:
    if batch == 2:
        raise ArithmeticError("two")
    return batch


def test_order(engine: Engine) -> None:
    assert list(engine.map(double, range(20))) == list(range(0, 40, 2))
    assert list(engine.map(double, [])) == []


def test_errors_reach_the_caller_after_earlier_results(engine: Engine) -> None:
    results = engine.map(picky, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ArithmeticError, match="two"):
        next(results)


def test_features_are_equal_to_the_last_bit(engine: Engine) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3)).astype(np.uint8)
    words = PatchFeatures.fit(images, seed=0).words
    batches: Sequence[tuple[np.ndarray, np.ndarray]] = [(words, images[i : i + 4]) for i in (0, 4, 8)]
    expected = [encode_batch(b) for b in batches]
    for seen, want in zip(engine.map(encode_batch, batches), expected, strict=True):
        assert seen.tobytes() == want.tobytes()


def test_threads_do_not_run_far_ahead() -> None:
    started: list[int] = []
    results = Threads(2).map(lambda i: started.append(i) or i, range(100))
    next(results)
    assert len(started) <= 6
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", [Threads, Pool, Daft])
def test_no_workers(make: type) -> None:
    with pytest.raises(Unusable):
        make(0)


def test_a_whole_run_is_equal_to_the_last_bit(engine: Engine) -> None:
    """Pass 1 over many batches, and the sums of it: whatever the engine, the same bytes."""
    images = np.random.default_rng(1).integers(0, 256, (60, 64, 64, 3)).astype(np.uint8)
    function = PassOne(PatchFeatures.fit(images, seed=0).words)
    names = [f"r{i}" for i in range(60)]
    batches = [
        batch_of(names[at : at + 3], ["acme"] * 3, ["nut"] * 3, [i.tobytes() for i in images[at : at + 3]], "pixels")
        for at in range(0, 60, 3)
    ]
    seen = list(engine.map(function, iter(batches)))
    assert [to_bytes(one) for one in seen] == [to_bytes(function(one)) for one in batches]
    grid = Grid.fit(np.concatenate([features_of(one) for one in seen]))
    adding = Adding(grid.digest, len(grid.centre))
    for one in seen[::-1]:
        adding.add(grid.on(features_of(one)), one.column("label").to_pylist())
    whole = Sums.of(grid.digest, grid.on(PatchFeatures(function.words).encode(images)), ["nut"] * 60)
    assert adding.sums().second.tobytes() == whole.second.tobytes()


def test_batches_are_drawn_from_a_stream_as_they_are_needed(engine: Engine) -> None:
    drawn: list[int] = []
    results = engine.map(double, (drawn.append(i) or i for i in range(200)))
    assert next(results) == 0 and len(drawn) <= 32
    assert list(results)[-1] == 398 and len(drawn) == 200


def kernels_of_blas(batch: int) -> dict[str, str]:
    np.zeros(1) @ np.zeros(1)
    return same_kernels()


def test_blas_has_the_callers_kernels_in_a_worker(engine: Engine) -> None:
    """Another kernel rounds otherwise, and the caller may have chosen its own by a name that workers do not inherit."""
    assert list(engine.map(kernels_of_blas, [1, 2])) == [same_kernels()] * 2


def threads_of_blas(batch: int) -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_has_one_thread_in_a_worker(engine: Engine) -> None:
    assert {n for found in engine.map(threads_of_blas, [1, 2]) for n in found} == {1}


ENDED = (FileNotFoundError, ProcessLookupError)
"""What /proc answers of a process that is no more, at whichever step it went."""


def listening(process: int) -> list[str]:
    """Local addresses, hex, that a process listens on; none for one that has ended meanwhile."""
    inodes, rows = set(), []
    with contextlib.suppress(*ENDED):
        for fd in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                inodes.add(str(fd.readlink())[8:-1])
        for kind in ("tcp", "tcp6"):
            table = Path(f"/proc/{process}/net/{kind}").read_text()
            rows += [line.split() for line in table.splitlines()[1:]]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]


def descendants(process: int) -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(*ENDED):
        for task in Path(f"/proc/{process}/task").iterdir():
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found | {d for child in found for d in descendants(child)}


def where_it_listens(batch: int) -> list[str]:
    time.sleep(0.2)
    return listening(os.getpid())


LOOPBACKS = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_cluster_and_its_workers_listen_on_loopback_alone(cluster: tuple[str, Path]) -> None:
    head, token = cluster
    workers = list(Daft(2, cluster=head, token=token).map(where_it_listens, range(4)))
    servers = [address for process in descendants(os.getpid()) for address in listening(process)]
    assert servers and any(workers)
    assert {*servers, *(address for worker in workers for address in worker)} <= LOOPBACKS


def environment_here(batch: int) -> dict[str, str]:
    return {name: os.environ.get(name, "") for name in ("CM_SECRET", *QUIET)}


def test_daft_is_quiet_and_sees_nothing_of_the_callers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    if why := absent("daft"):
        pytest.skip(why)
    monkeypatch.setenv("CM_SECRET", "hidden")
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    seen = next(Daft(1).map(environment_here, [0]))
    assert seen == {"CM_SECRET": "", **QUIET}


def test_workers_of_a_cluster_are_told_to_be_quiet(cluster: tuple[str, Path]) -> None:
    head, token = cluster
    for seen in Daft(2, cluster=head, token=token).map(environment_here, range(4)):
        assert {name: seen[name] for name in QUIET if name != "PATH"} == {n: v for n, v in QUIET.items() if n != "PATH"}


def kill_host(batch: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return batch


def test_a_dead_daft_is_told() -> None:
    if why := absent("daft"):
        pytest.skip(why)
    with pytest.raises(Inconclusive, match="ended before its work"):
        list(Daft(1).map(kill_host, [1]))


def unpicklable(batch: int) -> object:
    return lambda: batch


def test_what_cannot_travel_is_an_error_and_not_a_hang() -> None:
    if why := absent("daft"):
        pytest.skip(why)
    with pytest.raises(Exception, match=r"pickle|local object"):
        list(Daft(1).map(unpicklable, [1]))


@pytest.mark.parametrize("address", ["", "host", "host:", "h;rm:1", "ray://h:1", "a@b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Unusable, match="no Ray cluster"):
        Daft(1, cluster=address)
