"""Run a user's unchanged script so that what it can have read is exactly what was declared.

*Hermetic* is a claim with a level. `run_hermetic` makes it only after a probe of the very same
confinement passed; otherwise the run is refused, or done plainly and called ``not hermetic``.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from countermark.errors import SandboxRefused, Unusable
from countermark.sandbox.bubblewrap import run_confined
from countermark.sandbox.plan import Mount, Plan
from countermark.sandbox.probe import ProbeReport, probe
from countermark.sandbox.process import Program, Relay, run

Level = Literal["claimed", "not hermetic"]


@dataclass(frozen=True, slots=True)
class HermeticRun:
    """One run of a script.

    Attributes:
        returncode: the script's exit code; None where it was killed or never started.
        stdout, stderr: ends of both streams. seconds: wall time. ended_by: the limit that ended it.
        level: ``claimed`` after a passed probe, else ``not hermetic``. reasons: why not; empty if claimed.
        mounts: everything it could see, with the digests that the caller vouched for.
        probe: every way out that was tried.
    """

    returncode: int | None
    stdout: str
    stderr: str
    seconds: float
    ended_by: str
    level: Level
    reasons: tuple[str, ...]
    mounts: tuple[Mount, ...]
    probe: ProbeReport

    @property
    def succeeded(self) -> bool:
        """The script ended by itself with exit code 0."""
        return self.returncode == 0 and not self.ended_by

    def to_json(self) -> dict[str, Any]:
        """What a training statement says about the run; no times and no host paths."""
        return {
            "level": self.level,
            "reason": "; ".join(self.reasons),
            "mounts": [mount.to_json() for mount in self.mounts],
            "probe": self.probe.to_json(),
        }


def run_hermetic(plan: Plan, *, allow_plain: bool = False, relay: Relay | None = None) -> HermeticRun:
    """Probe, then run.

    Args:
        plan: inputs, output, environment, limits. allow_plain: where the probe fails, run the script
            without confinement, marked ``not hermetic``. relay: called with each piece of output.

    Raises:
        SandboxRefused: the probe failed and plain running is not allowed, the mounts cannot be made, or
            the output folder holds something. Unusable: an input or the output folder is absent.
    """
    mounts = plan.mounts()
    _check_output(plan.output)
    report = probe(plan)
    if report.passed:
        outcome = run_confined(plan, relay=relay)
        done = outcome.finished
        return HermeticRun(
            outcome.returncode, done.stdout, done.stderr, done.seconds, done.ended_by, "claimed", (), mounts, report
        )
    if not allow_plain:
        raise SandboxRefused(
            "this run cannot be called hermetic",
            why="; ".join(report.reasons),
            mend="mend that, or allow a plain run: its level is then `not hermetic` and a release needs a waiver",
        )
    return _run_plainly(plan, mounts, report, relay)


def _check_output(output: Path) -> None:
    if not output.is_dir():
        raise Unusable(f"the output folder {output} is not there", mend="make an empty folder")
    if any(output.iterdir()):
        raise SandboxRefused(
            f"the output folder {output} is not empty",
            why="a script could read what lies there, and nobody declared it",
            mend="name an empty folder",
        )


def _run_plainly(plan: Plan, mounts: tuple[Mount, ...], report: ProbeReport, relay: Relay | None) -> HermeticRun:
    """The same relative paths, in a staged folder of links; nothing is held back from the script."""
    with tempfile.TemporaryDirectory(prefix="countermark-plain-") as name:
        folder = Path(name)
        for mount in mounts:
            if mount.kind != "system":
                _link(mount, folder, plan.workdir)
        done = run(Program(_found(plan.argv()), plan.variables(), folder, plan.output, plan.limits), relay)
    returncode = None if done.returncode < 0 else done.returncode
    return HermeticRun(
        returncode,
        done.stdout,
        done.stderr,
        done.seconds,
        done.ended_by,
        "not hermetic",
        report.reasons,
        mounts,
        report,
    )


def _link(mount: Mount, folder: Path, workdir: str) -> None:
    if mount.guest == str(mount.host):
        return
    guest = PurePosixPath(mount.guest)
    if not guest.is_relative_to(workdir) or mount.guest == workdir:
        raise SandboxRefused(
            f"{mount.guest} lies outside the working folder {workdir}: a plain run cannot put {mount.host} there",
            mend="use paths inside the working folder, or run where bubblewrap works",
        )
    place = folder / guest.relative_to(workdir)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.symlink_to(mount.host.resolve())


def _found(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command with its program as an absolute path."""
    if "/" in argv[0]:
        return argv
    for folder in ("/usr/local/bin", "/usr/bin", "/bin"):
        if (Path(folder) / argv[0]).is_file():
            return (f"{folder}/{argv[0]}", *argv[1:])
    raise SandboxRefused(f"no program {argv[0]!r}", mend="name it by its full path")
