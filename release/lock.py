"""What the base install needs, and no extra: its closure of dependencies as the lock pins them, each with its hashes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "locks" / "demo.lock"
ENVIRONMENT = {
    "implementation_name": "cpython", "implementation_version": "3.11.0", "os_name": "posix", "platform_machine": "x86_64",
    "platform_python_implementation": "CPython", "platform_release": "", "platform_system": "Linux",
    "platform_version": "", "python_full_version": "3.11.0", "python_version": "3.11", "sys_platform": "linux", "extra": "",
}  # fmt: skip
"""What the lock was made for; markers are judged by it, so that every machine writes the same list."""

PINNED = re.compile(
    r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)((?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE
)


@dataclass(frozen=True)
class Pinned:
    """One package of the lock: its version, and the SHA-256 of every file that may be installed as it."""

    name: str
    version: str
    hashes: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def purl(self) -> str:
        """Package URL (github.com/package-url/purl-spec, type pypi)."""
        return f"pkg:pypi/{self.name}@{self.version}"

    def requirement(self) -> str:
        """As a lock writes it."""
        return (
            " \\\n".join([f"{self.name}=={self.version}", *(f"    --hash=sha256:{text}" for text in self.hashes)])
            + "\n"
        )


def plain(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: Path = LOCK) -> dict[str, Pinned]:
    """Every package of a lock.

    Raises:
        SystemExit: a line pins no version or no hash.
    """
    text = lock.read_text()
    found = {
        plain(name): Pinned(plain(name), version, tuple(sorted(re.findall(r"sha256:([0-9a-f]{64})", hashes))))
        for name, version, hashes in PINNED.findall(text)
    }
    named = {plain(name) for name in re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", text, re.MULTILINE)}
    if named - set(found):
        raise SystemExit(f"{lock} pins no version and hash of {', '.join(sorted(named - set(found)))}")
    return found


def declared() -> list[str]:
    """What `pyproject.toml` says that the base install needs."""
    said: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return said


def needed(requirements: Iterable[str]) -> list[str]:
    """Names of the requirements that hold where the lock holds, extras left out."""
    parsed = [Requirement(text) for text in requirements]
    return sorted({plain(r.name) for r in parsed if r.marker is None or r.marker.evaluate(ENVIRONMENT)})


def base(lock: Path = LOCK) -> list[Pinned]:
    """The closure, by name. What each needs is read from its installed metadata, which has to be of the locked version.

    Raises:
        SystemExit: something that is needed is not locked, or not installed as it is locked.
    """
    locked, found = pins(lock), dict[str, Pinned]()
    waiting = needed(declared())
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in locked:
            raise SystemExit(f"{name} is needed by the base install, and not in {lock}")
        needs = needed(_requires(locked[name]))
        found[name] = Pinned(name, locked[name].version, locked[name].hashes, tuple(needs))
        waiting += needs
    return [found[name] for name in sorted(found)]


def _requires(pinned: Pinned) -> list[str]:
    try:
        here = distribution(pinned.name)
    except PackageNotFoundError as error:
        raise SystemExit(f"{pinned.name} is not installed: make test installs what the locks name") from error
    if here.version != pinned.version:
        raise SystemExit(f"{pinned.name} {here.version} is installed, the lock says {pinned.version}")
    return here.requires or []
