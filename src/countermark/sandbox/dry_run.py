"""Run a script in its sandbox only to see what it would be denied, and which recipe line would allow it.

Honest about its reach: it sees what passes Python's audit events (PEP 578), up to the point where the
script ends; one that stops at the first denial is run again after that line is added.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from countermark.errors import SandboxRefused
from countermark.sandbox import _audit_guest
from countermark.sandbox.bubblewrap import Outcome, run_confined
from countermark.sandbox.plan import Mount, Plan

_LOG_BYTES = 64 << 20
_GUEST = "/countermark"
_PRIVATE = ("/tmp", "/proc", "/dev", "/etc")  # noqa: S108 (the guest's own)
_CANNOT_SEE = "files that C libraries open by themselves, and anything after the point where the script ended"
Kind = Literal["read", "write", "network"]


@dataclass(frozen=True, slots=True)
class Denied:
    """One thing that the script asked for in vain.

    Attributes:
        kind: ``read``, ``write`` or ``network``. what: guest path or address.
        recipe: the line that would allow it, or what to do where no line can.
    """

    kind: Kind
    what: str
    recipe: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a dry run showed.

    Attributes:
        denied: in the order asked for, each once. returncode, stderr: how the script ended.
        cannot_tell: what this does not show.
    """

    denied: tuple[Denied, ...]
    returncode: int | None
    stderr: str
    cannot_tell: str = _CANNOT_SEE


def what_was_denied(plan: Plan) -> DryRun:
    """Run the script in its sandbox, its output thrown away, and tell what it was denied.

    Raises:
        SandboxRefused: bubblewrap is absent or could not start. Unusable: an input is absent.
    """
    with tempfile.TemporaryDirectory(prefix="countermark-dry-") as name:
        folder = Path(name)
        for place in ("code", "log", "out"):
            (folder / place).mkdir()
        shutil.copyfile(str(_audit_guest.__file__), folder / "code" / "sitecustomize.py")
        listening = _listening(plan, folder)
        mounts = listening.mounts()
        outcome = run_confined(listening)
        log = folder / "log" / "events"
        if not log.exists():
            raise SandboxRefused(
                "the dry run did not start", why=_last_line(outcome), mend="run python without -I or -S"
            )
        with log.open("rb") as stream:
            events = _events(stream.read(_LOG_BYTES))
    found = (_denied(kind, what, mounts, plan.output_at) for kind, what in events)
    return DryRun(tuple(dict.fromkeys(filter(None, found))), outcome.returncode, outcome.finished.stderr)


def _listening(plan: Plan, folder: Path) -> Plan:
    """The same plan, its output elsewhere, with the listener on Python's path and a place for its log."""
    environment = dict(plan.environment)
    path = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = f"{_GUEST}/code:{path}" if path else f"{_GUEST}/code"
    inputs = {**plan.inputs, folder / "code": f"{_GUEST}/code"}
    return replace(
        plan, inputs=inputs, output=folder / "out", environment=environment, scratch={folder / "log": f"{_GUEST}/log"}
    )


def _events(raw: bytes) -> Iterable[tuple[Kind, str]]:
    for line in raw.splitlines():
        match json.loads(line):
            case ["read" | "write" | "network" as kind, str(what)]:
                yield kind, what


def _denied(kind: Kind, what: str, mounts: tuple[Mount, ...], output_at: str) -> Denied | None:
    if kind == "network":
        return Denied(kind, what, "no line allows it: fetch it before, and declare the file as an input")
    mount = _covering(what, mounts)
    if kind == "write":
        if (mount is not None and mount.kind in ("output", "scratch")) or _below(what, _PRIVATE):
            return None
        return Denied(kind, what, f'write below the output folder "{output_at}" instead')
    if mount is not None or _below(what, _PRIVATE) or not Path(what).exists() or _leads_to(what, mounts):
        return None
    return Denied(kind, what, f'inputs = [..., "{what}"]')


def _covering(path: str, mounts: tuple[Mount, ...]) -> Mount | None:
    inside = [mount for mount in mounts if PurePosixPath(path).is_relative_to(mount.guest)]
    return max(inside, key=lambda mount: len(mount.guest), default=None)


def _leads_to(path: str, mounts: tuple[Mount, ...]) -> bool:
    """A folder that exists in the guest because something is mounted below it."""
    return any(PurePosixPath(mount.guest).is_relative_to(path) for mount in mounts)


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(PurePosixPath(path).is_relative_to(place) for place in places)


def _last_line(outcome: Outcome) -> str:
    lines = outcome.finished.stderr.strip().splitlines()
    return lines[-1] if lines else outcome.finished.ended_by
