"""Run every escape twice, plainly and in the sandbox, and show both sides.

Usage: ``python attacks/sandbox/both_sides.py [NAME ...]``

An escape is a script in ``escapes/``: it exits with 0 where it got out. The host's side is real: files,
sockets and a process that it may reach. Plainly all of them must work, or the attack proves nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import SandboxRefused
from countermark.sandbox.bubblewrap import run_confined
from countermark.sandbox.hermetic import run_hermetic
from countermark.sandbox.plan import Plan, ScriptLimits
from countermark.sandbox.process import Program, run

ESCAPES = Path(__file__).parent / "escapes"
PLANTED = "countermark-attack-planted-secret"


@dataclass(frozen=True)
class Sides:
    """What a script achieved outside and inside."""

    name: str
    plain_got_out: bool
    plain_said: str
    confined_got_out: bool
    confined_said: str


@contextlib.contextmanager
def host(folder: Path) -> Iterator[dict[str, object]]:
    """Everything an escape may want to reach."""
    (folder / "secret").write_text("rows that nobody admitted")
    tcp, unix, abstract, udp = (
        socket.create_server(("127.0.0.1", 0)),
        socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    )
    unix.bind(str(folder / "agent"))
    abstract.bind("\0" + f"attack-{os.getpid()}-{folder.name}")
    udp.bind(("127.0.0.1", 0))
    unix.listen()
    abstract.listen()
    neighbour = subprocess.Popen(["/bin/sleep", "60"], env={"PLANTED": PLANTED})
    threading.Thread(target=_echo, args=(udp,), daemon=True).start()
    try:
        yield {
            "secret": str(folder / "secret"), "beside": str(folder / "left-behind"), "unix": str(folder / "agent"),
            "abstract": f"attack-{os.getpid()}-{folder.name}", "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1], "pid": os.getpid(), "planted": PLANTED, "neighbour": neighbour.pid,
        }  # fmt: skip
    finally:
        neighbour.kill()
        neighbour.wait()
        udp.sendto(b"", udp.getsockname())
        for end in (tcp, unix, abstract, udp):
            end.close()


def _echo(udp: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while (heard := udp.recvfrom(16))[0]:
            udp.sendto(b"heard", heard[1])


def both(name: str) -> Sides:
    """Run one escape on both sides."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        folder = Path(place)
        with host(folder) as target:
            environment = {"TARGET": json.dumps(target)}
            plain = _plain(name, folder, environment)
            (folder / "left-behind").unlink(missing_ok=True)
            confined = _confined(name, folder, environment)
    return Sides(name, *plain, *confined)


def _stage(name: str, folder: Path, side: str) -> Path:
    work = folder / side
    (work / "data").mkdir(parents=True)
    (work / "out").mkdir()
    (work / "data" / "row.txt").write_text("a row")
    (work / "out" / "leftover").write_text("from an earlier run")
    (work / "attack.py").write_text((ESCAPES / f"{name}.py").read_text())
    return work


def _plain(name: str, folder: Path, environment: dict[str, str]) -> tuple[bool, str]:
    work = _stage(name, folder, "plain")
    argv = [sys.executable, "attack.py"]
    done = run(Program(argv, environment, work, work / "out", ScriptLimits(wall_seconds=20)))
    return done.returncode == 0, _last(done.stdout + done.stderr)


def _confined(name: str, folder: Path, environment: dict[str, str]) -> tuple[bool, str]:
    work = _stage(name, folder, "confined")
    plan = Plan(
        ("python", "attack.py"),
        {work / "data": "/job/data", work / "attack.py": "/job/attack.py"},
        work / "out",
        "/job/out",
        "/job",
        environment,
        ScriptLimits(wall_seconds=20),
    )
    if name == "leftover_output":
        try:
            run_hermetic(plan)
        except SandboxRefused as error:
            return False, error.what
    outcome = run_confined(plan, planted={"PLANTED": PLANTED})
    return outcome.returncode == 0, _last(outcome.finished.stdout + outcome.finished.stderr)


def _last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def names() -> list[str]:
    """Every escape."""
    return sorted(path.stem for path in ESCAPES.glob("*.py"))


def main() -> int:
    """Show both sides; 1 where anything got out of the sandbox."""
    sides = [both(name) for name in sys.argv[1:] or names()]
    for side in sides:
        print(f"{side.name}\n  plainly:  {'GOT OUT' if side.plain_got_out else 'failed'}  {side.plain_said}")
        print(f"  confined: {'GOT OUT' if side.confined_got_out else 'refused'}  {side.confined_said}")
    return int(any(side.confined_got_out for side in sides))


if __name__ == "__main__":
    sys.exit(main())
