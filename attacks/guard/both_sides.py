"""Attacks on a guard, each beside the honest exchange it imitates: what the attacker does, what the victim is told.

python attacks/guard/both_sides.py
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from guard_world import MODEL, GuardWorld, pictures  # isort: skip (it finds core_world)
from core_world import Clock
from man_in_the_middle import body_of, proxy, with_body

from countermark.errors import CountermarkError
from countermark.guard.app import Limits
from countermark.guard.server import Listen
from countermark.guard.signature import content_digest

Attack = Callable[[GuardWorld, str], str]


def answered(place: GuardWorld, url: str, *, count: int = 1) -> str:
    """The honest exchange."""
    with place.session(url) as session:
        said = session.predict(pictures(count), session.describe(place.trust, MODEL))
    return f"answered {', '.join(said.labels[:3])}"


def tampered(place: GuardWorld, url: str) -> str:
    def flip(message: bytes) -> bytes:
        body = bytearray(body_of(message))
        body[-1] ^= 1
        return message if b'"delegation"' in message else with_body(message, bytes(body))

    with proxy(url, answer=flip) as between:
        return answered(place, between)


def replayed(place: GuardWorld, url: str) -> str:
    kept: list[bytes] = []

    def replay(message: bytes) -> bytes:
        if b'"delegation"' in message:
            return message
        kept.append(message)
        return kept[0]

    with proxy(url, answer=replay) as between:
        answered(place, between)
        return answered(place, between)


def other_doors(place: GuardWorld, url: str) -> str:
    """Every path and method a scanner would try, without a key; and one with encoded letters."""
    host, port = url.removeprefix("http://").split(":")
    seen = set()
    for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD", "TRACE"):
        for path in ("/v1/predict", "/invocations", "/health", "/metrics", "/v1/%70redict", "//v1/predict", "/docs"):
            with socket.create_connection((host, int(port)), timeout=5) as raw:
                raw.sendall(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode())
                seen.add(raw.recv(4096).split(b"\r\n")[0])
    if seen != {b"HTTP/1.1 401 Unauthorized"}:
        return f"a door was open: {seen}"
    raise CountermarkError("42 requests: 401 Unauthorized, all of them")


def oversized(place: GuardWorld, url: str) -> str:
    return answered(place, url, count=60)


def swelling(place: GuardWorld, url: str) -> str:
    """JSON that grows: one long text among short ones, of which numpy would make 15 GiB of equally long texts."""
    body = json.dumps({"images": ["A" * 4_000_000] + ["a"] * 1000}).encode()
    fields = {
        "Authorization": f"Bearer {place.token}", "Content-Type": "application/json",
        "Countermark-Nonce": "n" * 32, "Content-Digest": content_digest(body),
    }  # fmt: skip
    roomy = replace(place, limits=Limits())
    with roomy.running() as where:
        connection = http.client.HTTPConnection(where.removeprefix("http://"), timeout=20)
        connection.request("POST", "/v1/predict", body, fields)
        reply = connection.getresponse()
        said = json.loads(reply.read()).get("error", "")
    if reply.status == 400 and reply.getheader("Signature"):
        raise CountermarkError(f"400, signed: {said}")
    return f"status {reply.status}"


def invented(place: GuardWorld, url: str) -> str:
    """Somebody between answers in the guard's name that it refused, with a signature field that is none."""

    def refuse(message: bytes) -> bytes:
        return message if b'"delegation"' in message else message.replace(b"200 OK", b"400 Bad Request", 1)

    with proxy(url, answer=refuse) as between:
        return answered(place, between)


def slowly(place: GuardWorld, url: str) -> str:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        began = time.monotonic()
        try:
            while time.monotonic() - began < 5:
                raw.sendall(b"a")
                time.sleep(0.02)
        except OSError as error:
            raise CountermarkError(f"cut off after {time.monotonic() - began:.1f} s") from error
    return "held the connection for 5 s"


def later(place: GuardWorld, url: str) -> str:
    with place.session(url) as session:
        said = session.describe(place.trust, MODEL)
        session._clock = Clock(place.world.clock.now + timedelta(days=8))
        return f"answered {session.predict(pictures(), said).labels}"


def forged(place: GuardWorld, url: str) -> str:
    """A guard of the attacker's own, whose key was vouched for by a party that is no operator."""
    with place.running(place.app(handed=place.delegation(by="manufacturer"))) as where:
        return answered(place, where)


ATTACKS: tuple[tuple[str, Attack], ...] = (
    ("one byte of the answer flipped on the way", tampered), ("yesterday's answer given again", replayed),
    ("other routes, methods and spellings", other_doors), ("a query larger than the limit", oversized),
    ("a small query that grows in memory", swelling), ("a refusal that the guard never gave", invented),
    ("a request head, one byte at a time", slowly), ("a delegation that has ended", later),
    ("a delegation by somebody who may not", forged),
)  # fmt: skip


def main() -> int:
    """Print both sides; 1 where an attack came through."""
    through = 0
    with tempfile.TemporaryDirectory() as folder:
        place = GuardWorld.make(Path(folder) / "world")
        place.limits = replace(Limits(), body_bytes=4096)
        with place.running(listen=Listen(head_seconds=0.4)) as url:
            for name, attack in ATTACKS:
                print(f"{name}\n    honest: {answered(place, url)}")
                try:
                    print(f"    attack: CAME THROUGH: {attack(place, url)}")
                    through += 1
                except CountermarkError as error:
                    print(f"    attack: refused: {error.what}")
    print(f"{len(ATTACKS) - through} of {len(ATTACKS)} attacks refused")
    return min(through, 1)


if __name__ == "__main__":
    sys.exit(main())
