"""Releases of the key broker: time of one, and how many a second, in process and over HTTP; with a quote of a software TPM too.

    python benchmarks/broker.py [--releases 400] [--clients 8] [--rounds 3]

The log is on a disk (`--place`, default: here), with its fsync. Clients are processes of their own, begun before the clock and let go at once; their
CPU (an X-Wing key, a signature, HPKE, checking the answer) is told apart from the broker's. They run on the same cores, and with them whatever else this
machine does: CPU a release is the steadier figure. What is called *computed* is computed from it, not measured. A software TPM is a test double: its
figure says nothing about a chip's.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "broker"))
sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "keys"))

import test_doubles
from broker_world import World
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from countermark.broker import client, prove
from countermark.broker.app import CHALLENGE, RELEASE, App
from countermark.guard import server
from countermark.guard.server import Listen
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


def _light(world: World, url: str) -> Callable[[], bytearray]:
    """A client that costs little: one connection, and nothing of it but what the answer needs to be opened and checked."""
    parts = urlsplit(url)
    line, prover = http.client.HTTPConnection(parts.hostname or "", parts.port), prove.by_key(world.host)

    def post(path: str, body: bytes) -> bytes:
        line.request("POST", path, body)
        answer = line.getresponse()
        said = answer.read()
        assert answer.status == 200, said
        return said

    def ask() -> bytearray:
        challenge, mine = base64.b64decode(json.loads(post(CHALLENGE, b""))["challenge"]), prove.ephemeral()
        asked = prove.request(world.asset(), challenge, mine, prover)
        return prove.content_key(world.asset(), post(RELEASE, asked.to_bytes()), mine, None, challenge)

    return ask


def _client(world: World, count: int, begin: Connection, *, light: bool) -> None:
    """Ask `count` keys once the URL comes; seconds of each, and this process's CPU, go back."""
    url, prover = begin.recv(), prove.by_key(world.host)
    ask = _light(world, url) if light else lambda: client.ask(url, world.asset(), prover)
    times, cpu = [], time.process_time()
    for _ in range(count):
        begun = time.perf_counter()
        assert ask() == world.key
        times.append(time.perf_counter() - begun)
    begin.send((times, time.process_time() - cpu))


def certificate(folder: Path) -> Listen:
    """Where a server listens under TLS on this machine; clients forked from here trust its certificate."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=127.0.0.1")
    now, pem = datetime.now(UTC), serialization.Encoding.PEM
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
    private, public = folder / "key.pem", folder / "certificate.pem"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    os.environ["SSL_CERT_FILE"] = str(public)
    return Listen(certificate=public, key=private)


def over_http(world: World, count: int, clients: int, *, light: bool, listen: Listen | None = None) -> dict[str, float]:
    """Client processes against the service in this one; it does nothing else meanwhile.

    Args:
        light: whether a client asks for all over one connection with little work, or as `countermark broker open` does: a connection for each key.
    """
    fork, each = multiprocessing.get_context("fork"), count // clients
    lines = [fork.Pipe() for _ in range(clients)]
    crowd = [fork.Process(target=_client, args=(world, each, there), kwargs={"light": light}) for _, there in lines]
    for process in crowd:
        process.start()
    with world.log() as log, server.background(App(world.broker(log)), listen) as url:
        begun, cpu = time.perf_counter(), time.process_time()
        for here, _ in lines:
            here.send(url)
        said = [here.recv() for here, _ in lines]
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        for process in crowd:
            process.join()
    done, broker, theirs = each * clients, cpu, sum(used for _, used in said)
    times = [t for some, _ in said for t in some]
    return {
        "p50_ms": 1000 * statistics.median(times), "p95_ms": 1000 * statistics.quantiles(times, n=20)[-1],
        "releases_per_s": done / wall, "cores_used": (broker + theirs) / wall,
        "cpu_ms_broker": 1000 * broker / done, "cpu_ms_client": 1000 * theirs / done,
        "computed_releases_per_s_two_cores_with_clients": 2 * done / (broker + theirs),
        "computed_releases_per_s_one_core_without_clients": done / broker,
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--place", type=Path, default=Path())
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.place) as folder:
        world = World(Path(folder) / "software")
        world.home.mkdir()
        with world.log() as log:
            world.stocked(world.broker(log), world.rule(releases=10**6))
        figures = {
            "library": in_process(world, asked.releases),
            "http_alone": over_http(world, asked.releases // 4, 1, light=False),
        }
        for light in (True, False):
            for at in range(asked.rounds):
                kind = "light_clients" if light else "whole_clients"
                figures[f"http_{kind}_{at + 1}"] = over_http(world, asked.releases, asked.clients, light=light)
        tls = certificate(Path(folder))
        for at in range(asked.rounds):
            figures[f"https_whole_clients_{at + 1}"] = over_http(
                world, asked.releases, asked.clients, light=False, listen=tls
            )
        if test_doubles.HAS_SWTPM:
            (Path(folder) / "tpm").mkdir()
            figures["software_tpm"] = with_tpm(Path(folder) / "tpm", max(10, asked.releases // 10))
    figures["machine"] = {"cores": os.cpu_count() or 1, "load_1_min": os.getloadavg()[0]}
    print(json.dumps({a: {n: round(v, 2) for n, v in part.items()} for a, part in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
