"""A plan as a bubblewrap command line. Source: bwrap(1).

Every namespace is new, every capability dropped, the root is empty and read-only but for what the
plan mounts; a seccomp filter closes what no namespace isolates.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from countermark.errors import SandboxRefused
from countermark.sandbox import _seccomp
from countermark.sandbox.plan import Handed, Mount, Plan, ScriptLimits
from countermark.sandbox.process import Finished, Program, Relay, run

_PLACES = ("/usr/local/bin/bwrap", "/usr/bin/bwrap", "/bin/bwrap", "/run/current-system/sw/bin/bwrap")
_UID = 1000
_SHORT_SECONDS = 60.0
_PAGE = 1 << 16  # the largest page of any kernel here; memory for a file comes in these
_NODES = 4  # pages that a file's entry and its folders may take
_PASSWD = f"user:x:{_UID}:{_UID}:user:/tmp:/bin/sh\n".encode()
_GROUP = f"user:x:{_UID}:\n".encode()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is made in memory inside the confinement: its guest path, and the files below that."""

    guest: str
    files: Sequence[Handed]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a confined run ended.

    Attributes:
        finished: streams, time, limit. returncode: the script's own; None where it never started,
            or was killed before it ended.
    """

    finished: Finished
    returncode: int | None


def find() -> Path | None:
    """The bubblewrap program of this machine, or None."""
    return next((Path(place) for place in _PLACES if Path(place).is_file()), None)


def run_confined(
    plan: Plan, *, relay: Relay | None = None, planted: dict[str, str] | None = None, folder: Folder | None = None
) -> Outcome:
    """Run a plan behind namespaces.

    Args:
        folder: files of a folder that exists nowhere else. relay: called with each piece of output. planted: variables around
            bubblewrap, none of which the script may see; only a probe plants any.

    Raises:
        SandboxRefused: bubblewrap is absent, or the plan's mounts cannot be made.
    """
    program = find()
    if program is None:
        raise SandboxRefused("bubblewrap is not installed", mend="install the package bubblewrap")
    mounts = plan.mounts()
    with _descriptors() as (status, filters, data):
        # Through a descriptor: the guest sees the command line of its first process, host paths included.
        options = _file("\0".join(_arguments(plan, mounts, (status.write, filters, data), folder)).encode())
        argv = [str(program), "--args", str(options), "--", *plan.argv()]
        copied = [file.descriptor for file in folder.files] if folder else []
        handed = (status.write, *filters, *data, options, *copied)
        try:
            finished = run(Program(argv, {}, Path("/"), plan.output, plan.limits, handed, planted or {}), relay)
        finally:
            os.close(options)
        status.end_writing()
        return Outcome(finished, _exit_code(status.read_all()))


def _arguments(
    plan: Plan, mounts: Sequence[Mount], handed: tuple[int, Sequence[int], Sequence[int]], folder: Folder | None
) -> list[str]:
    status, filters, (passwd, group) = handed
    out = [
        "--unshare-all", "--unshare-user", "--uid", str(_UID), "--gid", str(_UID), "--hostname", "countermark",
        "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--clearenv",
        "--json-status-fd", str(status),
        "--proc", "/proc", "--dev", "/dev", "--size", str(plan.limits.scratch_bytes), "--tmpfs", "/tmp",  # noqa: S108
        "--ro-bind-data", str(passwd), "/etc/passwd", "--ro-bind-data", str(group), "/etc/group",
    ]  # fmt: skip
    for mount in mounts:
        out += _mount(mount)
    for hidden in plan.hidden:
        out += ["--perms", "0555", "--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    out += _copied(folder) if folder else []
    for descriptor in filters:
        out += ["--add-seccomp-fd", str(descriptor)]
    for name, value in plan.variables().items():
        out += ["--setenv", name, value]
    return [*out, "--dir", plan.workdir, "--remount-ro", "/", "--chdir", plan.workdir]


def _copied(folder: Folder) -> list[str]:
    """A read-only folder in memory, in the script's own mount namespace: nobody outside can reach into it."""
    pages = sum(-(-file.size // _PAGE) + _NODES for file in folder.files)
    out = ["--size", str((pages + _NODES) * _PAGE), "--tmpfs", folder.guest]
    for file in folder.files:
        out += ["--perms", "0555" if file.executable else "0444", "--file", str(file.descriptor), file.guest]
    return [*out, "--remount-ro", folder.guest]


def _mount(mount: Mount) -> list[str]:
    if mount.kind in ("output", "scratch"):
        return ["--bind", str(mount.host), mount.guest]
    if mount.kind == "system" and mount.host.is_symlink():
        return ["--symlink", str(mount.host.readlink()), mount.guest]
    return ["--ro-bind", str(mount.host), mount.guest]


class _Status:
    """The pipe on which bubblewrap tells the script's exit code."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        self._open = {self._read, self.write}

    def end_writing(self) -> None:
        self._close(self.write)

    def read_all(self) -> bytes:
        """What bubblewrap wrote, at most 64 kB."""
        out = b""
        while len(out) < 1 << 16 and (piece := os.read(self._read, 1 << 12)):
            out += piece
        return out

    def close(self) -> None:
        for descriptor in tuple(self._open):
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def _descriptors() -> Iterator[tuple[_Status, list[int], list[int]]]:
    """Descriptors that bubblewrap reads: filters, and the two files that name the script's user."""
    status = _Status()
    arch = _seccomp.machine()
    filters = [_file(_seccomp.assemble(_seccomp.script_filter(arch)))] if arch else []
    data = [_file(_PASSWD), _file(_GROUP)]
    try:
        yield status, filters, data
    finally:
        status.close()
        for descriptor in (*filters, *data):
            os.close(descriptor)


def _file(content: bytes) -> int:
    """A nameless file holding `content`, its position at the start."""
    with tempfile.TemporaryFile() as stream:
        stream.write(content)
        stream.flush()
        descriptor = os.dup(stream.fileno())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _exit_code(status: bytes) -> int | None:
    for line in status.splitlines():
        with contextlib.suppress(ValueError):
            code = json.loads(line).get("exit-code")
            if isinstance(code, int):
                return code
    return None


def with_command(plan: Plan, command: Sequence[str], inputs: dict[Path, str], output: Path) -> Plan:
    """The same confinement around another command: same system, own inputs and output, limits for a short run."""
    return replace(
        plan, command=tuple(command), inputs=inputs, output=output, output_at="/probe/out", workdir="/probe",
        environment={}, digests={}, scratch={}, limits=ScriptLimits(wall_seconds=_SHORT_SECONDS),
    )  # fmt: skip
