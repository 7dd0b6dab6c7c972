"""Confine this very process, and say honestly what was applied and what could not be.

Order: limits, closed descriptors, no_new_privs, Landlock, seccomp; all before any task is imported,
so that threads started by libraries inherit every layer.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark.sandbox import _landlock, _seccomp
from countermark.sandbox.limits import Limits

_SYSTEM_READS = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime",
    "/usr/share/zoneinfo", "/dev/null", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds a child.

    Attributes:
        applied: layers in force. missing: layers this platform could not give, each with its reason.
    """

    applied: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when nothing is missing."""
        return not self.missing

    def to_json(self) -> dict[str, Any]:
        """JSON object with both lists."""
        return {"applied": list(self.applied), "missing": list(self.missing)}


def readable_paths() -> list[Path]:
    """What a child may read: the interpreter, its packages and the system's libraries."""
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]
    paths = {Path(p).resolve() for p in (*own, *_SYSTEM_READS) if p}
    return sorted(p for p in paths if p != Path("/"))


def _limit_resources(limits: Limits) -> tuple[list[str], list[str]]:
    try:
        import resource
    except ImportError:
        return [], ["resource limits: this platform has none"]
    pairs = [
        ("RLIMIT_DATA", resource.RLIMIT_DATA, limits.memory_bytes),
        ("RLIMIT_NOFILE", resource.RLIMIT_NOFILE, limits.open_files),
        ("RLIMIT_CORE", resource.RLIMIT_CORE, 0),
        ("RLIMIT_FSIZE", resource.RLIMIT_FSIZE, 0),
    ]
    applied, missing = [], []
    for name, which, wanted in pairs:
        hard = resource.getrlimit(which)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(which, (value, value))
            applied.append(f"{name}={value}")
        except (ValueError, OSError) as error:
            missing.append(f"{name}: {error}")
    if sys.platform == "darwin":
        missing.append("RLIMIT_DATA: macOS does not enforce it")
    return applied, missing


def _close_from(lowest: int) -> None:
    # Parents close what they hold; this closes what an embedding program leaked without saying so.
    os.closerange(lowest, min(os.sysconf("SC_OPEN_MAX"), 1 << 16) if hasattr(os, "sysconf") else 4096)


def confine(limits: Limits, keep: int = 3) -> Confinement:
    """Confine this process for good.

    Args:
        limits: its budgets. keep: descriptors below this number stay open.
    """
    applied, missing = ["environment cleared", "inherited descriptors closed"], []
    _close_from(keep)
    limited, unlimited = _limit_resources(limits)
    applied += limited
    missing += unlimited
    if sys.platform != "linux":
        return Confinement(tuple(applied), (*missing, f"Landlock and seccomp: {sys.platform} has neither"))
    if not _seccomp.no_new_privileges():
        return Confinement(tuple(applied), (*missing, "no_new_privs: the kernel refused"))
    applied.append("no_new_privs")
    _record("Landlock", f"Landlock (ABI {_landlock.version()})", _landlock.restrict(readable_paths()), applied, missing)
    arch = _seccomp.machine()
    why = _seccomp.load(_seccomp.parser_filter(arch, os.getpid())) if arch else "system calls of this machine not known"
    _record("seccomp", f"seccomp allow-list ({arch})", why, applied, missing)
    return Confinement(tuple(applied), tuple(missing))


def _record(name: str, full: str, why_not: str, applied: list[str], missing: list[str]) -> None:
    if why_not:
        missing.append(f"{name}: {why_not}")
    else:
        applied.append(full)
