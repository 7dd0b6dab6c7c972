"""Tasks that try to leave the child or to break its limits: what `doctor` and the tests run.

Each attempt says how it went in the words of the operating system; none of them does harm where it
succeeds (files are opened and closed, sockets are not used).
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from countermark.errors import FormatRefused
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags))


def _close(*ends: socket.socket) -> None:
    for end in ends:
        end.close()


def _thread() -> None:
    started = threading.Thread(target=int)
    started.start()
    started.join()


def _attempts(request: dict[str, Any]) -> dict[str, Callable[[], object]]:
    return {
        "read undeclared file": lambda: _open(request["secret"], os.O_RDONLY),
        "write file": lambda: _open(request["target"], os.O_WRONLY | os.O_CREAT),
        "list undeclared folder": lambda: os.listdir(request["folder"]),
        "UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "TCP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "Unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close(),
        "Unix socket pair": lambda: _close(*socket.socketpair()),
        "fork": lambda: os.fork() or os._exit(0),
        "execute": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 (no shell, and refused)
        "signal the parent": lambda: os.kill(os.getppid(), 0),
        "read the parent's environment": lambda: _open(f"/proc/{os.getppid()}/environ", os.O_RDONLY),
        "inherited descriptor": lambda: os.fstat(request["descriptor"]),
    }


def _try(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, RuntimeError) as error:
        return f"refused: {error}"
    return "allowed"


@task
def escape(job: Job) -> Answer:
    """Try every way out. Request: paths ``secret``, ``target``, ``folder``; ``descriptor``: number."""
    results = {name: _try(attempt) for name, attempt in _attempts(job.request).items()}
    return Answer({"attempts": results, "environment": sorted(os.environ), "own thread": _try(_thread)})


@task
def echo(job: Job) -> Answer:
    """Give back the request, the blobs as arrays, and one byte of each source."""
    arrays = tuple(RawArray("|u1", (len(blob),), blob) for blob in job.blobs)
    return Answer({"request": job.request, "first": [s.read(0, 1).hex() for s in job.sources]}, arrays)


@task
def misbehave(job: Job) -> Answer:
    """Break the limit or the protocol that ``how`` names."""
    match job.request["how"]:
        case "spin":
            while True:
                pass
        case "sleep":
            threading.Event().wait()
        case "grow":
            hoard: list[bytearray] = []
            while True:
                hoard.append(bytearray(1 << 24))
        case "die":
            os.abort()
        case "exit":
            os._exit(7)
        case "garble":
            os.write(4, b"\xff" * 64)
            os._exit(0)
        case "say":
            os.write(4, bytes.fromhex(job.request["hex"]))
            os._exit(0)
        case "refuse":
            raise FormatRefused("these bytes are bad", why="they were asked to be", mend="ask otherwise")
        case "long answer":
            return Answer({"text": "x" * job.request["bytes"]})
        case "wrong shape":
            return Answer({}, (RawArray("<f8", (3,), b"\0" * 8),))
    raise RuntimeError("no such way to misbehave")
