"""Run one program under limits, keep the end of what it says, stop it when a limit is reached."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from countermark.sandbox import _limited
from countermark.sandbox._crowd import crowd
from countermark.sandbox.plan import ScriptLimits

Relay = Callable[[str, bytes], None]
"""Called with ``"stdout"`` or ``"stderr"`` and each piece as it comes."""
_WATCH_SECONDS = 0.2
_SIZE_EVERY = 3  # looks; a folder's size costs more than a count of processes


@dataclass(frozen=True, slots=True)
class Program:
    """What to start.

    Attributes:
        argv: absolute path and arguments. environment: the whole of it. folder: where it starts.
        output: host folder whose size is watched. descriptors: those it inherits beyond 0, 1, 2.
        planted: variables around it that it must not see; only a probe plants any.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    output: Path
    limits: ScriptLimits
    descriptors: Sequence[int] = ()
    planted: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Finished:
    """How it ended.

    Attributes:
        returncode: as Popen gives it. stdout, stderr: ends of both streams. seconds: wall time.
        ended_by: the limit that ended it, or an empty string.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    ended_by: str = ""


@dataclass(slots=True)
class _Watched:
    process: subprocess.Popen[bytes]
    limits: ScriptLimits
    ended_by: str = ""
    tails: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})

    def stop(self, reason: str) -> None:
        self.ended_by = reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def run(program: Program, relay: Relay | None = None) -> Finished:
    """Run to the end, or to a limit. Standard input is closed."""
    limits = program.limits
    budget = {
        "RLIMIT_CPU": limits.cpu_seconds, "RLIMIT_DATA": limits.memory_bytes, "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_FSIZE": limits.file_bytes, "RLIMIT_CORE": 0,
    }  # fmt: skip
    request = json.dumps({"limits": budget, "environment": dict(program.environment)})
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", str(_limited.__file__), request, *program.argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(program.planted),
        cwd=program.folder,
        pass_fds=tuple(program.descriptors),
        start_new_session=True,
    )
    watched = _Watched(process, limits)
    drains = [_drain(watched, name, relay) for name in ("stdout", "stderr")]
    try:
        _wait(watched, program.output, started)
    finally:
        watched.stop(watched.ended_by)  # what the program left behind in its group goes with it
        process.wait()
        for drain in drains:
            drain.join(timeout=10)
    texts = {name: bytes(tail).decode("utf-8", "replace") for name, tail in watched.tails.items()}
    return Finished(process.returncode, texts["stdout"], texts["stderr"], time.monotonic() - started, watched.ended_by)


def _drain(watched: _Watched, name: str, relay: Relay | None) -> threading.Thread:
    stream: BinaryIO = getattr(watched.process, name)
    tail = watched.tails[name]

    def keep() -> None:
        with stream:
            while piece := os.read(stream.fileno(), 1 << 16):
                tail.extend(piece)
                del tail[: -watched.limits.tail_bytes]
                if relay is not None:
                    relay(name, piece)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    return thread


def _wait(watched: _Watched, output: Path, started: float) -> None:
    limits, looks = watched.limits, 0
    while True:
        looks += 1
        left = started + limits.wall_seconds - time.monotonic()
        if left <= 0:
            return watched.stop(f"wall_seconds {limits.wall_seconds:g}")
        try:
            watched.process.wait(timeout=min(_WATCH_SECONDS, left))
        except subprocess.TimeoutExpired:
            pass
        else:
            return None
        if crowd(watched.process.pid, limits.processes) > limits.processes:
            return watched.stop(f"processes {limits.processes}")
        if looks % _SIZE_EVERY == 0 and folder_bytes(output, limits.output_bytes) > limits.output_bytes:
            return watched.stop(f"output_bytes {limits.output_bytes}")


def folder_bytes(folder: Path, enough: int) -> int:
    """Size of all files below a folder, counted until it is more than `enough`; links are not followed."""
    total, pending = 0, [folder]
    while pending and total <= enough:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue  # removed while it was being counted
    return total
