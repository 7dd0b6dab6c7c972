"""What a training script is given: inputs, one output folder, an environment, limits. Nothing else.

Pure: it describes mounts and refuses descriptions that cannot be kept; running is elsewhere.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from countermark.errors import SandboxRefused, Unusable

_RESERVED = ("/proc", "/dev", "/sys")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/ld.so.cache")
_SPECIAL_LIMIT = 1 << 22


@dataclass(frozen=True, slots=True)
class Mount:
    """One thing that the script can see.

    Attributes:
        host: where it lies. guest: where the script finds it. kind: ``input``, ``output``, ``scratch`` or ``system``.
        digest: hex digest that the caller vouches for; empty where it gave none.
    """

    host: Path
    guest: str
    kind: str
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """The mount without its host path, which differs between machines."""
        return {"guest": self.guest, "kind": self.kind, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class ScriptLimits:
    """What a script may use.

    Attributes:
        wall_seconds: then everything it started is killed. cpu_seconds, memory_bytes (RLIMIT_DATA),
            open_files: per process. file_bytes: largest single file. output_bytes: the whole output
            folder, watched twice a second. processes: threads of all processes together, watched five
            times a second. scratch_bytes: private /tmp, in memory.
        tail_bytes: how much of the end of each stream is kept.
    """

    wall_seconds: float = 3600.0
    cpu_seconds: int = 7200
    memory_bytes: int = 8 << 30
    open_files: int = 1024
    file_bytes: int = 4 << 30
    output_bytes: int = 8 << 30
    processes: int = 1024
    scratch_bytes: int = 1 << 30
    tail_bytes: int = 1 << 16


@dataclass(frozen=True, slots=True)
class Handed:
    """A file that the script sees read-only and whose content is copied from a descriptor before the script starts.

    Attributes:
        guest: its path. descriptor: stands at the beginning of what nobody can change. size: bytes. executable: its bit.
    """

    guest: str
    descriptor: int
    size: int
    executable: bool = False


def system_paths(interpreter: Path | None = None) -> tuple[Path, ...]:
    """The operating system's programs and libraries, and the interpreter with its packages.

    Args:
        interpreter: an environment's folder to add; default: that of this process.
    """
    own = [interpreter] if interpreter else [Path(sys.prefix), Path(sys.base_prefix), _home(sys.executable)]
    wanted = [Path(p) for p in _SYSTEM if Path(p).exists()] + [p.resolve() for p in own]
    out: list[Path] = []
    for path in wanted:
        if path not in out and not any(path.is_relative_to(known) for known in out if not known.is_symlink()):
            out.append(path)
    return tuple(out)


def foreign_packages() -> tuple[Path, ...]:
    """The base interpreter's own site-packages, where a virtual environment does not look into them."""
    if sys.prefix == sys.base_prefix:
        return ()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [Path(sys.base_prefix).resolve() / "lib" / version / name for name in ("site-packages", "test")]
    return tuple(p for p in places if p.is_dir() and not p.is_relative_to("/usr"))


def _home(executable: str) -> Path:
    return Path(executable).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of a script.

    Attributes:
        command: program and arguments as the guest sees them; a bare ``python`` means this interpreter.
        inputs: host path to guest path, mounted read-only. output: host folder; output_at: its guest
            path, the only place where writing lasts. workdir: guest folder to start in.
        environment: the whole environment beyond PATH, HOME, TMPDIR and LC_ALL.
        system: host paths of the operating system and the interpreter, seen at the same place.
        digests: host path to hex digest, vouched for by the caller and repeated in the result.
        scratch: host folders that the script may write to and that are thrown away; dry runs only.
        hidden: folders inside `system` that the script finds empty, such as packages that are not its own.
    """

    command: tuple[str, ...]
    inputs: Mapping[Path, str]
    output: Path
    output_at: str
    workdir: str
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: ScriptLimits = field(default_factory=ScriptLimits)
    system: tuple[Path, ...] = field(default_factory=system_paths)
    digests: Mapping[Path, str] = field(default_factory=dict)
    scratch: Mapping[Path, str] = field(default_factory=dict)
    hidden: tuple[Path, ...] = ()

    def mounts(self) -> tuple[Mount, ...]:
        """Every mount, parents before children.

        Raises:
            SandboxRefused: a guest path is taken twice, reserved or not normal, or cannot be made.
            Unusable: an input is absent.
        """
        system = [Mount(p, str(p), "system", self._digest(p)) for p in self.system]
        inputs = [Mount(p, g, "input", self._digest(p)) for p, g in self.inputs.items()]
        scratch = [Mount(p, g, "scratch") for p, g in self.scratch.items()]
        own = [*inputs, *scratch, Mount(self.output, self.output_at, "output")]
        _check_guests(own)
        _check_hosts(inputs)
        _check_places(own)
        _check_system(own, self.system)
        return (*system, *sorted(own, key=lambda m: len(PurePosixPath(m.guest).parts)))

    def argv(self) -> tuple[str, ...]:
        """The command with a bare ``python`` replaced by the interpreter of this process."""
        if not self.command:
            raise Unusable("there is no command to run", mend="put it after --: countermark train -- python train.py")
        if self.command[0] in ("python", "python3"):
            return (sys.executable, *self.command[1:])
        return self.command

    def variables(self) -> dict[str, str]:
        """The whole environment of the script."""
        path = f"{Path(self.argv()[0]).parent}:/usr/bin:/bin" if "/" in self.argv()[0] else "/usr/bin:/bin"
        base = {"PATH": path, "HOME": "/tmp", "TMPDIR": "/tmp", "LC_ALL": "C.UTF-8"}  # noqa: S108 (private, in memory)
        return {**base, **self.environment}

    def _digest(self, path: Path) -> str:
        return self.digests.get(path, "")


def _check_guests(mounts: Iterable[Mount]) -> None:
    seen: set[str] = set()
    for mount in mounts:
        path = PurePosixPath(mount.guest)
        normal = path.is_absolute() and ".." not in path.parts and str(path) == mount.guest and mount.guest != "/"
        if not normal or "\0" in mount.guest or mount.guest in seen:
            raise SandboxRefused(
                f"{mount.host} cannot be seen at {mount.guest!r}",
                why="guest paths are absolute, normal and used once",
            )
        if any(path.is_relative_to(reserved) for reserved in _RESERVED):
            raise SandboxRefused(f"{mount.guest} is reserved", mend="mount it elsewhere")
        seen.add(mount.guest)


def _check_system(mounts: Iterable[Mount], system: Iterable[Path]) -> None:
    for mount in mounts:
        covered = next((path for path in system if path.is_relative_to(mount.guest)), None)
        if covered is not None:
            raise SandboxRefused(
                f"{mount.guest} would cover {covered}, which the interpreter needs", mend="mount it elsewhere"
            )


def _check_hosts(inputs: Iterable[Mount]) -> None:
    """A socket, pipe or device inside an input would be a way out, so none may be there."""
    for mount in inputs:
        if not mount.host.exists():
            raise Unusable(f"input {mount.host} is not there", mend="name an existing file or folder")
        entries = [mount.host, *mount.host.rglob("*")] if mount.host.is_dir() else [mount.host]
        for count, entry in enumerate(entries):
            mode = entry.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                raise SandboxRefused(f"{entry} is a socket, pipe or device", why="a script could speak through it")
            if count > _SPECIAL_LIMIT:
                raise SandboxRefused(f"{mount.host} holds more than {_SPECIAL_LIMIT} files")


def _check_places(mounts: list[Mount]) -> None:
    """A mount inside a read-only folder needs a place there already."""
    for inner in mounts:
        for outer in mounts:
            if inner is outer or not PurePosixPath(inner.guest).is_relative_to(outer.guest):
                continue
            place = outer.host / PurePosixPath(inner.guest).relative_to(outer.guest)
            if not place.exists() or place.is_dir() != inner.host.is_dir():
                raise SandboxRefused(
                    f"{inner.guest} lies inside {outer.guest}, which has no such place",
                    mend=f"make an empty {'folder' if inner.host.is_dir() else 'file'} at {place}",
                )
