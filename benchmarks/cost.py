"""What a command costs: wall and CPU seconds of its process tree and its peak memory; shared by the benchmarks.

Commands are started by a small interpreter of its own (`LAUNCHER`). On Linux a process begins with the peak memory of
whoever forked it (`exec_mmap` carries it over), so that a benchmark which holds numpy and a ledger would otherwise lend
its own size to every command that it measures. CPU seconds are user + system time of the command and of every
descendant that was waited for; peak memory is that of the largest process among them, not their sum.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEER = Path(__file__).parents[1] / ".benchenv" / "bin" / "model_signing"
"""model-signing in an environment of its own (`pip install model-signing pyOpenSSL`), never beside Countermark."""

SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
LAUNCHER = """
import json, os, sys, time
report, command = int(sys.argv[1]), sys.argv[2:]
os.set_inheritable(report, False)
begin = time.perf_counter()
child = os.fork()
if not child:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, str(error).encode())
        os._exit(127)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - begin
said = [os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024]
os.write(report, json.dumps(said).encode())
"""


@dataclass(frozen=True)
class Cost:
    """One command, once, or the median of its runs: wall and CPU seconds, peak resident bytes."""

    wall: float
    cpu: float
    rss: float

    def then(self, other: Cost) -> Cost:
        """This command, and then another."""
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.rss, other.rss))


def measure(command: Sequence[str | Path], *, allowed: Sequence[int] = (0,), cwd: Path | None = None) -> Cost:
    """Run a command to its end; its output is thrown away.

    Args:
        allowed: exit codes that are no failure.

    Raises:
        SystemExit: it failed, or cannot be started; its error output is shown.
    """
    words = [os.fspath(word) for word in command]
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as report:
        launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(report.fileno()), *words]
        subprocess.run(
            launch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, pass_fds=[report.fileno()],
            cwd=cwd, check=False, env=as_installed(),
        )  # fmt: skip
        report.seek(0)
        code, *figures = json.loads(report.read() or b"[127, 0, 0, 0]")
        if code not in allowed:
            errors.seek(0)
            raise SystemExit(f"{' '.join(words[:4])} ended with {code}: {errors.read().decode()[-2000:]}")
    return Cost(*figures)


def as_installed() -> dict[str, str]:
    """The environment, but with bytecode kept: pip compiles what it installs, and a checkout would be compiled at each start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def turn_about(sides: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """Measure each side once a round, in turn, so that a machine that grows busy is busy for all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            costs[name].append(run())
    return costs


def median(runs: Sequence[Cost]) -> Cost:
    """Median of each figure on its own."""
    return Cost(*(statistics.median(values) for values in zip(*((r.wall, r.cpu, r.rss) for r in runs), strict=True)))


def medians(costs: Mapping[str, Sequence[Cost]]) -> dict[str, Cost]:
    """The median of each side."""
    return {name: median(runs) for name, runs in costs.items()}


def spread(values: Sequence[float]) -> str:
    """Least and most, such as `[0.91..1.04]`."""
    return f"[{min(values):.2f}..{max(values):.2f}]"


def machine() -> dict[str, Any]:
    """What was measured on, and how busy it was when asked: cores this process may use, their name, the load."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores, "cpu": cpu_name(), "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(), "load": [round(value, 2) for value in os.getloadavg()],
    }  # fmt: skip


def cpu_name() -> str:
    """As Linux names it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def size(text: str) -> int:
    """Bytes of a size such as `64M` or `2G`; for argparse."""
    if text[-1:] not in SUFFIXES or not text[:-1].isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 64M or 2G")
    return int(text[:-1]) * SUFFIXES[text[-1]]


def told(size_bytes: int) -> str:
    """The shortest exact way of writing a size: `64M`, `2G`."""
    for suffix in "GMK":
        if size_bytes % SUFFIXES[suffix] == 0:
            return f"{size_bytes // SUFFIXES[suffix]}{suffix}"
    return str(size_bytes)
