"""CPU that the guard adds to one query: the same bare ASGI application, unguarded and guarded, turn about.

    python benchmarks/guard.py [--rounds 7] [--requests 1500] [--model ms]

Both sides run under the same uvicorn with the same bounds, in processes of their own, on the same 64 x 64 picture and
a model of 200 classes; one keep-alive connection, one request after another. CPU is user + system time of the server's
process as the scheduler counts it (/proc/PID/task/*/schedstat), so that a busy machine stretches wall time only. The unguarded side reads the same body with
the same reader and runs the same model: it leaves out the API key, the fields, both digests and the signature.
The first round is thrown away. Signing alone is timed in-process beside it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "attacks" / name) for name in ("guard", "core")]
# ruff: noqa: E402
from core_world import SECOND
from guard_world import STAMP, GuardWorld

from countermark.guard import body, delegation, keyring, server, signature, tensor
from countermark.guard.admission import Served
from countermark.guard.app import Guard
from countermark.guard.server import Listen
from countermark.statement.statement import EVERYBODY

CLASSES, SIDE = 200, 64
DIGEST = "5" * 64
LABELS = tuple(f"part-{i}" for i in range(CLASSES))


class Fixed:
    """Stands in for a model so that only the serving is measured: the same scores for every picture, at once."""

    input_shape = (SIDE, SIDE, 3)

    def predict(self, images: Any) -> Any:
        """float32 (n, 200)."""
        return np.tile(np.arange(CLASSES, dtype=np.float32), (len(images), 1))


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The same application without a guard."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    scores = Fixed().predict(tensor.unpack(body.IMAGES, b"".join(pieces)))
    answer = tensor.pack(body.SCORES, scores)
    headers = [(b"content-type", tensor.MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def guarded(folder: Path) -> tuple[Guard, str]:
    """A guard on the real clock, and an API key."""
    place = GuardWorld.make(folder)
    desk = place.world[SECOND]
    begin = place.world.clock() - timedelta(hours=1)
    paper = delegation.delegate(
        desk.signer("statement"), place.signer.public, desk.context(EVERYBODY), name="model", model=DIGEST,
        not_before=begin.strftime(STAMP), not_after=(begin + timedelta(days=7)).strftime(STAMP),
    )  # fmt: skip
    said = delegation.verify(paper, place.trust, place.world.clock())
    started, offset = time.time(), place.world.clock().timestamp()

    def clock() -> float:
        return time.time() - started + offset

    ring = keyring.KeyRing.of(desk.space, clock)
    served = Served(DIGEST, LABELS, Fixed())
    return Guard(served, ring, place.signer, said, paper.to_bytes(), clock), place.token


def serve(kind: str, folder: str, pipe: Connection) -> None:
    """In a process of its own: one application under uvicorn."""
    app, token = guarded(Path(folder) / "world") if kind == "guarded" else (bare, "")
    place = server.bind(Listen())
    pipe.send((server.url(place, secure=False), token))
    server.run(app, Listen(), bound=place)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, as the scheduler counts it (nanoseconds, not ticks)."""
    return sum(int(f.read_text().split()[0]) for f in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def ask(url: str, token: str, count: int) -> list[float]:
    """Wall seconds of each of `count` queries over one connection."""
    data = body.pack_images(np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8))
    fields = {"content-type": tensor.MEDIA_TYPE, "content-length": str(len(data))}
    if token:
        fields |= {
            "authorization": f"Bearer {token}", "content-digest": signature.content_digest(data),
            signature.NONCE: secrets.token_urlsafe(24),
        }  # fmt: skip
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("POST", "/v1/predict", data, fields)
        reply = connection.getresponse()
        answer = reply.read()
        taken.append(time.perf_counter() - began)
        if reply.status != 200 or body.read_scores(answer, 1, CLASSES).argmax() != CLASSES - 1:
            raise SystemExit(f"unexpected answer: {reply.status} {answer[:100]!r}")
    connection.close()
    return taken


def microseconds(work: Callable[[], object], count: int = 3000) -> float:
    """CPU microseconds of one call, best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(count):
            work()
        best = min(best, (time.process_time() - began) / count)
    return best * 1e6


def parts(folder: Path) -> dict[str, float]:
    """What the guard's own work costs, piece by piece, in CPU microseconds."""
    guard, token = guarded(folder / "parts")
    data = body.pack_images(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    digest = signature.content_digest(data)
    exchange = signature.Exchange("POST", "/v1/predict", digest, "n" * 32, 200, digest, DIGEST)
    signer = guard._signer
    key, shown = signer.public, f"Bearer {token}".encode()
    base = exchange.base("x" * 300)
    given, value = signature.sign(exchange, 1_795_428_000, signer, key.id)
    return {
        "API key": microseconds(lambda: guard._keys.identify(shown)),
        "digest of a 12 kB body": microseconds(lambda: signature.content_digest(data)),
        "signing an exchange": microseconds(lambda: signature.sign(exchange, 1_795_428_000, signer, key.id)),
        "of that, Ed25519": microseconds(lambda: signer.sign(base)),
        "client: verifying": microseconds(lambda: signature.verify(exchange, given, value, key, 1_795_428_000), 500),
    }


def main() -> None:
    """Measure, then print a table and one JSON line."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--requests", type=int, default=1500)
    options.add_argument("--model", type=float, default=1.2, help="CPU ms of a model, for the ratio that users see")
    given = options.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        running: dict[str, tuple[Any, str, str]] = {}
        for kind in ("bare", "guarded"):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(kind, folder, theirs), daemon=True)
            process.start()
            running[kind] = (process, *ours.recv())
        cpu: dict[str, list[float]] = {k: [] for k in running}
        wall: dict[str, list[float]] = {k: [] for k in running}
        for turn in range(given.rounds):
            for kind in sorted(running, reverse=bool(turn % 2)):
                process, url, token = running[kind]
                before = cpu_seconds(process.pid)
                taken = ask(url, token, given.requests)
                if turn:
                    cpu[kind].append((cpu_seconds(process.pid) - before) / given.requests * 1e6)
                    wall[kind].append(statistics.median(taken) * 1e6)
        for process, _, _ in running.values():
            process.terminate()
            process.join()
        pieces = parts(Path(folder))
    report(given, cpu, wall, pieces)


def report(given: argparse.Namespace, cpu: dict[str, list[float]], wall: dict[str, list[float]],
           pieces: dict[str, float]) -> None:  # fmt: skip
    """Print what was measured."""
    added = [g - b for b, g in zip(cpu["bare"], cpu["guarded"], strict=True)]
    print(f"{given.rounds - 1} rounds of {given.requests} queries each, one connection; load {os.getloadavg()[0]:.1f}")
    for kind in ("bare", "guarded"):
        print(
            f"{kind:>8}: {statistics.median(cpu[kind]):6.0f} us CPU per query (best {min(cpu[kind]):.0f}), "
            f"{statistics.median(wall[kind]):6.0f} us wall p50"
        )
    middle, base = statistics.median(added), statistics.median(cpu["bare"])
    print(f"   added: {middle:6.0f} us CPU per query ({min(added):.0f} to {max(added):.0f}); to reach: <= 120")
    print(f"   ratio: {statistics.median(cpu['guarded']) / base:.2f} x the bare application without a model; "
          f"{(given.model * 1000 + base + middle) / (given.model * 1000 + base):.3f} x with a model of {given.model} ms")  # fmt: skip
    for name, cost in pieces.items():
        print(f"{name:>24}: {cost:5.1f} us CPU")
    print(json.dumps({"bare": cpu["bare"], "guarded": cpu["guarded"], "added": middle, "parts": pieces}))


if __name__ == "__main__":
    main()
