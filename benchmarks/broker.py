"""Releases of the key broker: time of one, and how many a second, in process and over HTTP; with a quote of a software TPM too.

    python benchmarks/broker.py [--releases 400] [--clients 8]

The log is on a disk (`--place`, default: here), with its fsync. Clients run in processes of their own; their work (an X-Wing key, a
signature, HPKE) is counted apart. A software TPM is a test double: its figure says nothing about a chip's.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "broker"))
sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "keys"))

import test_doubles
from broker_world import World

from countermark.broker import client, prove
from countermark.broker.app import App
from countermark.keys import uri
from countermark.keys.tpm_policy import extended


def one(world: World, broker: object, prover: prove.Prover) -> float:
    """Seconds from the challenge to the opened key, in process."""
    begun = time.perf_counter()
    mine = prove.ephemeral()
    asked = prove.request(world.asset(), broker.challenge(), mine, prover)  # type: ignore[attr-defined]
    key = prove.content_key(world.asset(), broker.release(asked.to_bytes()), mine, None)  # type: ignore[attr-defined]
    assert key == world.key
    return time.perf_counter() - begun


def in_process(world: World, count: int) -> dict[str, float]:
    """One after the other, and sixteen at once: the broker's own work without a wire."""
    with world.log() as log:
        broker = world.broker(log)
        prover = prove.by_key(world.host)
        cpu = time.process_time()
        times = [one(world, broker, prover) for _ in range(count)]
        cpu = time.process_time() - cpu
        asked = [
            prove.request(world.asset(), broker.challenge(), prove.ephemeral(), prover).to_bytes() for _ in range(count)
        ]
        begun, busy = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(broker.release, asked))
        wall, busy = time.perf_counter() - begun, time.process_time() - busy
    return {
        "p50_ms": 1000 * statistics.median(times), "p95_ms": 1000 * statistics.quantiles(times, n=20)[-1],
        "cpu_ms_with_client": 1000 * cpu / count, "releases_per_s_16_threads": count / wall, "cpu_ms_broker": 1000 * busy / count,
    }  # fmt: skip


def _ask(world: World, url: str, count: int, out: object) -> None:
    prover = prove.by_key(world.host)
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        assert client.ask(url, world.asset(), prover) == world.key
        times.append(time.perf_counter() - begun)
    out.put(times)  # type: ignore[attr-defined]


def over_http(world: World, count: int, clients: int) -> dict[str, float]:
    """A client alone, then several processes at once."""
    from countermark.guard import server

    fork = multiprocessing.get_context("fork")
    out = fork.SimpleQueue()
    with world.log() as log, server.background(App(world.broker(log))) as url:
        alone = fork.Process(target=_ask, args=(world, url, count // 4, out))
        alone.start()
        times = out.get()
        alone.join()
        each = count // clients
        crowd = [fork.Process(target=_ask, args=(world, url, each, out)) for _ in range(clients)]
        begun, cpu = time.perf_counter(), time.process_time()
        for process in crowd:
            process.start()
        many = [t for _ in crowd for t in out.get()]
        for process in crowd:
            process.join()
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "p50_ms_alone": 1000 * statistics.median(times), "p50_ms_crowd": 1000 * statistics.median(many),
        "releases_per_s": len(many) / wall, "cpu_ms_broker": 1000 * cpu / len(many),
    }  # fmt: skip


def with_tpm(place: Path, count: int) -> dict[str, float]:
    """A quote by swtpm and its check, in process."""
    from countermark.keys import tpm_quote

    world = World(place)
    with test_doubles.software_tpm(place / "tpm") as where, world.log() as log:
        chip = uri.parse(f"tpm:handle=0x81010001?{where}")
        key = tpm_quote.make_attestation_key(chip)
        tpm_quote.measure(chip, 16, bytes(32))
        broker = world.broker(log)
        world.stocked(
            broker,
            world.rule(
                evidence="tpm-quote", keys=frozenset({key.name.hex()}), pcrs={16: extended(bytes(32))}, releases=10**6
            ),
        )
        times = [one(world, broker, prove.by_tpm(chip, (16,))) for _ in range(count)]
    return {"p50_ms": 1000 * statistics.median(times)}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=int, default=400)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--place", type=Path, default=Path())
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.place) as folder:
        world = World(Path(folder) / "software")
        world.home.mkdir()
        with world.log() as log:
            world.stocked(world.broker(log), world.rule(releases=10**6))
        figures = {
            "library": in_process(world, asked.releases),
            "http": over_http(world, asked.releases, asked.clients),
        }
        if test_doubles.HAS_SWTPM:
            (Path(folder) / "tpm").mkdir()
            figures["software_tpm"] = with_tpm(Path(folder) / "tpm", max(10, asked.releases // 10))
    print(json.dumps({a: {n: round(v, 2) for n, v in part.items()} for a, part in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
