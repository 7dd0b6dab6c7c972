"""Servers that answer a reader of a ledger as no honest one would: without end, slowly, elsewhere, cut off, or with lies.

    python attacks/ledger/hostile_server.py

Each is asked for one object of at most 8 KiB with half a second of patience. A reader that only sets a socket timeout (urllib's
way) is asked beside it, for two seconds: some servers keep it for ever. Exit code 0 where every one was refused in time.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

from countermark.ledger.stores.web import WebStore

LIMIT, PATIENCE = 8192, 0.5
Behaviour = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


def _drip(line: socket.socket, start: bytes, each: bytes) -> None:
    line.sendall(start)
    for _ in itertools.repeat(None, 400):
        line.sendall(each)
        time.sleep(0.05)


def _flood(line: socket.socket, start: bytes, each: bytes) -> None:
    line.sendall(start)
    for _ in itertools.repeat(None, 20_000):
        line.sendall(each)


SERVERS: dict[str, Behaviour] = {
    "says nothing": lambda line: time.sleep(5),
    "drips its headers": lambda line: _drip(line, OK, b"X-More: 1\r\n"),
    "drips its body": lambda line: _drip(line, OK + b"Content-Length: 4000\r\n\r\n", b"a"),
    "drips chunks": lambda line: _drip(line, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "says 100 Continue for ever": lambda line: _drip(line, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "floods its headers": lambda line: _flood(line, OK, b"X-More: " + b"a" * 1000 + b"\r\n"),
    "floods one header line": lambda line: _flood(line, OK + b"X: ", b"a" * 1000),
    "floods a body without a length": lambda line: _flood(line, OK + b"\r\n", b"a" * 1000),
    "floods chunks": lambda line: _flood(
        line, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"a" * 1000 + b"\r\n"
    ),
    "claims a huge body": lambda line: line.sendall(OK + b"Content-Length: 99999999999\r\n\r\naaaa"),
    "cuts its body off": lambda line: line.sendall(OK + b"Content-Length: 400\r\n\r\naaaa"),
    "claims a negative length": lambda line: _flood(line, OK + b"Content-Length: -1\r\n\r\n", b"a" * 1000),
    "leads elsewhere": lambda line: line.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    ),
    "leads to a file": lambda line: line.sendall(
        b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/hostname\r\nContent-Length: 0\r\n\r\n"
    ),
    "sends a compressed body": lambda line: line.sendall(
        OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\naaaa"
    ),
    "speaks no HTTP": lambda line: line.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "says an error": lambda line: line.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
    "says partial content": lambda line: line.sendall(b"HTTP/1.1 206 Partial\r\nContent-Length: 2\r\n\r\nno"),
    "hangs up": lambda line: None,
}


@contextlib.contextmanager
def served(behaviour: Behaviour) -> Iterator[str]:
    """A server on loopback that treats everybody so; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            line.settimeout(5)
            line.recv(4096)
            behaviour(line)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def attack(behaviour: Behaviour) -> tuple[str, float]:
    """What a reader makes of it: "" where it took an object, else why not; and how long that took in seconds."""
    with served(behaviour) as url:
        start = time.monotonic()
        try:
            WebStore(url, seconds=PATIENCE).read("checkpoint", LIMIT)
        except OSError as error:
            return str(error), time.monotonic() - start
    return "", time.monotonic() - start


def naive(behaviour: Behaviour) -> str:
    """What the standard library's opener makes of it within two seconds."""
    out = ["still waiting after 2 s"]

    def ask(url: str) -> None:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                out[0] = f"took {len(answer.read())} bytes"
        except (OSError, http.client.HTTPException, MemoryError) as error:
            out[0] = type(error).__name__

    with served(behaviour) as url:
        asking = threading.Thread(target=ask, args=(url,), daemon=True)
        asking.start()
        asking.join(2)
    return out[0]


def main() -> int:
    """Both sides."""
    wrong = fooled = 0
    for name, behaviour in SERVERS.items():
        why, took = attack(behaviour)
        other = naive(behaviour)
        wrong += not why or took > 2
        fooled += other.startswith(("still", "took"))
        print(f"{name}: {why or 'TAKEN'} ({took:.1f} s); urllib: {other}")
    print(f"{wrong} of {len(SERVERS)} were not refused in time; urllib waits for or takes {fooled}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
