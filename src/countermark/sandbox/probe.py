"""Before a run may be called hermetic: try every way out of that very confinement, from inside.

The listeners are real: a datagram or connection that arrives here counts as a way out whatever the
guest believes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countermark.errors import CountermarkError
from countermark.sandbox import _probe_guest
from countermark.sandbox.bubblewrap import run_confined, with_command
from countermark.sandbox.plan import Plan

_RESULT_BYTES = 1 << 16
_NAMES = tuple(_probe_guest.attempts({"token": ""}))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way out that was tried: its name, whether it was refused, and in which words."""

    name: str
    refused: bool
    how: str


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a probe found.

    Attributes:
        attempts: every way out. problem: why nothing could be tried, or an empty string.
    """

    attempts: tuple[Attempt, ...] = ()
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Every way out was tried and refused."""
        return not self.problem and {a.name for a in self.attempts} == set(_NAMES) and not self.open

    @property
    def open(self) -> tuple[Attempt, ...]:
        """The ways out that are open."""
        return tuple(a for a in self.attempts if not a.refused)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the run may not be called hermetic; empty when it may."""
        if self.problem:
            return (self.problem,)
        missing = tuple(f"{name}: not tried" for name in _NAMES if name not in {a.name for a in self.attempts})
        return (*(f"{a.name}: {a.how}" for a in self.open), *missing)

    def to_json(self) -> dict[str, Any]:
        """JSON object with every attempt."""
        tried = [{"name": a.name, "refused": a.refused, "how": a.how} for a in self.attempts]
        return {"passed": self.passed, "attempts": tried, "problem": self.problem}


@dataclass(slots=True)
class _Listeners:
    """Real sockets of the host; what arrives is remembered by name."""

    folder: Path
    token: str
    ends: dict[str, socket.socket] = field(default_factory=dict)

    def open(self) -> dict[str, Any]:
        """Open all four and say how to reach them."""
        self._listen("UDP", socket.socket(socket.AF_INET, socket.SOCK_DGRAM), ("", 0))
        self._listen("TCP", socket.socket(socket.AF_INET, socket.SOCK_STREAM), ("127.0.0.1", 0))
        path, abstract = str(self.folder / "socket"), f"countermark-{self.token}"
        self._listen("Unix socket by path", socket.socket(socket.AF_UNIX), path)
        self._listen("Unix socket by abstract name", socket.socket(socket.AF_UNIX), "\0" + abstract)
        port = {name: self.ends[name].getsockname()[1] for name in ("UDP", "TCP")}
        return {"udp": port["UDP"], "tcp": port["TCP"], "unix": path, "abstract": abstract}

    def arrived(self) -> set[str]:
        """Names of the listeners that somebody reached."""
        out = set()
        for name, end in self.ends.items():
            with contextlib.suppress(BlockingIOError):
                if end.type == socket.SOCK_DGRAM:
                    end.recv(64)
                else:
                    end.accept()[0].close()
                out.add(name)
        return out

    def close(self) -> None:
        for end in self.ends.values():
            end.close()

    def _listen(self, name: str, end: socket.socket, address: Any) -> None:
        self.ends[name] = end
        end.bind(address)
        if end.type == socket.SOCK_STREAM:
            end.listen(1)
        end.setblocking(False)


def probe(plan: Plan) -> ProbeReport:
    """Try every way out of the confinement that `plan` would run in: same namespaces, filter and
    system mounts. Its limits of time and size are the probe's own.

    Never raises for what it finds: a machine without bubblewrap gives a report with a `problem`.
    """
    with tempfile.TemporaryDirectory(prefix="countermark-probe-") as name:
        folder = Path(name)
        token = secrets.token_hex(16)
        with _stage(folder, token, plan) as (inside, listeners):
            try:
                outcome = run_confined(inside, planted={"COUNTERMARK_PROBE": token})
            except (CountermarkError, OSError) as error:
                return ProbeReport(problem=getattr(error, "what", str(error)))
            if outcome.returncode != 0:
                said = outcome.finished.stderr.strip().splitlines()
                return ProbeReport(problem=f"the probe did not run: {said[-1] if said else outcome.finished.ended_by}")
            return _judge(folder / "out" / "result.json", listeners.arrived())


@contextlib.contextmanager
def _stage(folder: Path, token: str, plan: Plan) -> Iterator[tuple[Plan, _Listeners]]:
    for name in ("given", "out"):
        (folder / name).mkdir()
    secret = folder / "secret"
    secret.write_text(token)
    leaked = os.open(secret, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    listeners = _Listeners(folder, token)
    try:
        inside = with_command(
            plan,
            [sys.executable, "-I", "/probe/given/guest.py", "/probe/given/request.json", "/probe/out/result.json"],
            {folder / "given": "/probe/given"},
            folder / "out",
        )
        request = {
            "token": token, "secret": str(secret), "variables": sorted(inside.variables()),
            "input": "/probe/given/request.json", "system": str(plan.system[-1]), **listeners.open(),
        }  # fmt: skip
        (folder / "given" / "request.json").write_text(json.dumps(request))
        shutil.copyfile(str(_probe_guest.__file__), folder / "given" / "guest.py")
        yield inside, listeners
    finally:
        listeners.close()
        os.close(leaked)


def _judge(result: Path, arrived: set[str]) -> ProbeReport:
    with result.open("rb") as stream:
        raw = stream.read(_RESULT_BYTES)
    told = json.loads(raw)
    attempts = []
    for name in _NAMES:
        if name in told:
            reached = name in arrived
            refused = told[name]["refused"] is True and not reached
            attempts.append(Attempt(name, refused, "it arrived outside" if reached else str(told[name]["how"])))
    return ProbeReport(tuple(attempts))
