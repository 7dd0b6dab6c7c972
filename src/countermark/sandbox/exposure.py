"""By which ways plaintext that is held in memory could reach a disk of this host: swap, zram, core dumps, hibernation, crash dumps.

Sources: proc(5) ``/proc/swaps``, core(5), Documentation/admin-guide/blockdev/zram.rst, Documentation/power/swsusp.rst,
Documentation/admin-guide/kdump. What is judged is text, so that every case can be tested; only `read` looks at this machine. It says what
an honest-but-curious operator's disk would hold. It does not see a hypervisor that suspends or snapshots the machine, an operator who
turns swap on later, or anybody who reads memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

try:
    import resource
except ImportError:  # Windows: `read` says that nothing is known
    resource = None  # type: ignore[assignment]

AT_REST, FIRST_LOAD, HOST_BOUND, ATTESTED = "at rest only", "until first load", "host-bound", "attested"
MOST_BYTES = 1 << 20
MEMORY = frozenset({"tmpfs", "ramfs", "hugetlbfs"})
_OCTAL = re.compile(r"\\([0-7]{3})")
_SILENT_PIPES = frozenset({"|/bin/false", "|/usr/bin/false", "|/bin/true", "|/usr/bin/true"})
CANNOT_TELL = (
    "a hypervisor that suspends or copies this machine, and anybody who reads its memory, are not seen from inside"
)


@dataclass(frozen=True, slots=True)
class HostText:
    """What the kernel says; an absent file is "".

    Attributes:
        swaps: ``/proc/swaps``; None where it cannot be read. mappings: name of a device-mapper device -> its ``dm/uuid``. backing: name of a zram
            device -> its ``backing_dev``. core_pattern: ``/proc/sys/kernel/core_pattern``. core_limit: hard RLIMIT_CORE in bytes, -1 without limit.
            power_state, power_resume: ``/sys/power/state``, ``/sys/power/resume``. crash_loaded: ``/sys/kernel/kexec_crash_loaded``.
            mounts: ``/proc/self/mounts``.
    """

    swaps: str | None
    core_pattern: str
    core_limit: int
    power_state: str
    power_resume: str
    crash_loaded: str
    mounts: str
    mappings: Mapping[str, str] = field(default_factory=dict)
    backing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a disk that is open: what it is, and how it is closed."""

    what: str
    mend: str


def ways(host: HostText) -> tuple[Way, ...]:
    """Every way from memory to a disk that is open."""
    found = [*_swapped(host), *_dumped(host), *_hibernated(host)]
    if host.crash_loaded.strip() == "1":
        found.append(Way("a crash kernel is loaded, which writes memory to a disk", "`kexec -p -u`, or turn kdump off"))
    return tuple(found)


def _swapped(host: HostText) -> list[Way]:
    if host.swaps is None:
        return [Way("whether this host swaps is not known", "run on Linux, with /proc")]
    found = []
    for device, kind in _swap_devices(host.swaps):
        name = Path(device).name
        if name.startswith("zram") and kind == "partition":
            behind = host.backing.get(name)
            if behind is None:
                found.append(Way(f"whether {device} writes back to a disk is not known", f"swapoff {device}"))
            elif behind.strip() not in ("", "none"):
                found.append(
                    Way(f"{device} writes back to {behind.strip()}", "reset it, and leave its backing_dev empty")
                )
        elif not host.mappings.get(name, "").startswith("CRYPT-"):
            found.append(
                Way(f"swap on {device} is not encrypted", f"swapoff {device}, or put it on dm-crypt with a random key")
            )
    return found


def _swap_devices(text: str) -> list[tuple[str, str]]:
    """(path, type) of every active swap; the first line is a heading, blanks in a path are written in octal."""
    rows = [line.split() for line in text.splitlines()[1:] if line.strip()]
    return [(_plain(row[0]), row[1] if len(row) > 1 else "") for row in rows]


def _dumped(host: HostText) -> list[Way]:
    pattern = host.core_pattern.strip()
    if pattern.startswith("|"):
        if pattern.split()[0] in _SILENT_PIPES:
            return []
        # A limit of 0 does not stop a pipe (core(5)): the kernel hands memory to the program all the same.
        return [
            Way(
                f"core dumps go to {pattern.split()[0][1:][:80]}",
                "sysctl kernel.core_pattern=core, and a hard limit of 0",
            )
        ]
    if pattern and host.core_limit != 0:
        return [Way("a crash writes memory to a core file", "set the hard limit of core files to 0 (`ulimit -Hc 0`)")]
    return []


def _hibernated(host: HostText) -> list[Way]:
    """Hibernation writes all memory to a swap; without one, and without a place to resume from, it has nowhere to."""
    if "disk" not in host.power_state.split():
        return []
    places = [d for d, _ in _swap_devices(host.swaps or "") if not Path(d).name.startswith("zram")]
    if not places and host.power_resume.strip() in ("", "0:0"):
        return []
    if places and all(host.mappings.get(Path(d).name, "").startswith("CRYPT-PLAIN") for d in places):
        return []  # plain dm-crypt, as a random key at every boot has it; LUKS keeps its key, so that an image could be read later
    return [
        Way(
            "this host can hibernate: all memory would be written to a disk",
            "boot with `nohibernate`, and without `resume=`",
        )
    ]


def in_memory(mounts: str, place: str) -> bool:
    """Whether an absolute path, links resolved, lies on a file system that is held in memory: the longest mount point that contains it decides.

    A later mount covers an earlier one at the same point.
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        row = line.split()
        if len(row) < 3:
            continue
        point = _plain(row[1]).rstrip("/")
        if (place == point or place.startswith(point + "/") or not point) and len(point) >= best:
            best, kind = len(point), row[2]
    return kind in MEMORY


def protection(evidence: str, open_ways: tuple[Way, ...]) -> str:
    """The protection class of a key that was released on such evidence to a host with such ways.

    Args:
        evidence: ``software``, ``pkcs11``, ``tpm-quote``, ``sgx``, ``tdx``, or ``passphrase``.
    """
    if open_ways:
        return AT_REST
    if evidence in ("sgx", "tdx"):
        return ATTESTED
    return HOST_BOUND if evidence in ("pkcs11", "tpm-quote") else FIRST_LOAD


def read() -> HostText:
    """What the kernel of this machine says."""
    swaps = _text(Path("/proc/swaps")) if Path("/proc/swaps").is_file() else None
    names = [Path(device).resolve().name for device, _ in _swap_devices(swaps or "")]
    block = Path("/sys/block")
    linked = {Path(d).name: Path(d).resolve().name for d, _ in _swap_devices(swaps or "")}
    mappings = {shown: _text(block / real / "dm" / "uuid") for shown, real in linked.items()}
    backing = {n: _text(block / n / "backing_dev") for n in names if (block / n / "backing_dev").is_file()}
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1] if resource is not None else -1
    return HostText(
        swaps, _text(Path("/proc/sys/kernel/core_pattern")), limit, _text(Path("/sys/power/state")),
        _text(Path("/sys/power/resume")), _text(Path("/sys/kernel/kexec_crash_loaded")), _text(Path("/proc/self/mounts")),
        mappings, backing,
    )  # fmt: skip


def without_cores() -> None:
    """Set the hard limit of core files to 0 for this process and its children; it cannot be raised again."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found.group(1), 8)), text)


def _text(path: Path) -> str:
    """A small file of the kernel's; "" where there is none or it may not be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return ""
    try:
        return os.read(descriptor, MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
