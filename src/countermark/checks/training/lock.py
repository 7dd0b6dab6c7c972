"""`training/lock`: every package pinned to a version and a hash, and nothing from elsewhere.

Source: pip's requirements file format; PEP 508, PEP 440, PEP 503 (names), PEP 751 (pylock.toml).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from countermark.checks.training._packages import DISTRIBUTIONS
from countermark.finding import Finding, Severity, Where
from countermark.formats.limits import Malformed, OverLimit

ID = "training/lock"
VERSION = 1
MAX_BYTES = 8 << 20
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[\w,.\s-]*\])?\s*(?P<rest>.*)$", re.DOTALL)
_PIN = re.compile(r"={2,3}\s*(?P<version>[\w.!+-]+)\s*$")
_HASH = re.compile(r"--hash[= ](?P<name>[a-z0-9]+):(?P<digest>[0-9a-fA-F]+)")
_STRONG = {"sha256": 64, "sha384": 96, "sha512": 128}
_OPTIONS: Mapping[str, tuple[Severity, str]] = {
    "--extra-index-url": ("high", "a second index can answer for a name of the first (dependency confusion)"),
    "--trusted-host": ("high", "the index is not checked"),
    "--find-links": ("medium", "packages come from a place that the lock does not describe"), "-f": ("medium", "packages come from elsewhere"),
    "-e": ("high", "an editable package is whatever lies in its folder that day"), "--editable": ("high", "an editable package has no digest"),
    "-r": ("medium", "another file is included, and was not read"), "--requirement": ("medium", "another file is included, and was not read"),
    "-c": ("low", "constraints of another file, which was not read"), "--constraint": ("low", "constraints of another file"),
    "--pre": ("low", "versions that their authors call unfinished"),
}  # fmt: skip
_HARMLESS = (
    "--require-hashes",
    "--only-binary",
    "--no-binary",
    "--prefer-binary",
    "--use-feature",
    "--index-url",
    "-i",
    "--no-index",
)


class NoLock(Malformed):
    """The file is no lock that is read here."""

    answer = "unproven"


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked package: normalised name, version ("" where it is not pinned), and its line."""

    name: str
    version: str
    line: int


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock as it was read: its pins, and what is wrong with it."""

    path: str
    pins: tuple[Pin, ...]
    findings: tuple[Finding, ...]


def read(path: str, data: bytes) -> Lock:
    """Read a requirements file with hashes, or a ``pylock.toml``.

    Raises:
        NoLock: neither. OverLimit: it is too large.
    """
    if len(data) > MAX_BYTES:
        raise OverLimit("bytes of a lock", len(data), MAX_BYTES)
    try:
        text = data.decode()
        if path.endswith(".toml"):
            return _pylock(path, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise NoLock("unparsed", f"no lock: {error}") from error
    pins, findings = [], []
    for number, entry in _entries(text):
        pin, wrong = _entry(path, number, entry)
        pins += [pin] if pin else []
        findings += wrong
    return Lock(path, tuple(pins), (*findings, *_twice(path, pins)))


def normalised(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def unlocked(lock: Lock, imports: Iterable[tuple[str, str, int]], own: Iterable[str]) -> Iterator[Finding]:
    """Modules that the code imports and no package of the lock is known to bring.

    Args:
        imports: (top-level module, file, line). own: top-level modules of the recipe itself.
    """
    locked, mine, told = {pin.name for pin in lock.pins}, set(own), set()
    for module, path, line in sorted(imports):
        names = DISTRIBUTIONS.get(module, (normalised(module),))
        if module in sys.stdlib_module_names or module in mine or module in told or locked & set(names):
            continue
        told.add(module)
        yield _finding("not-locked", path, line, f"imports {module}, and the lock names no {' or '.join(names)}", "medium",
                       "what is imported is whatever the machine happens to have")  # fmt: skip


def differing(lock: Lock, installed: Mapping[str, str]) -> Iterator[Finding]:
    """Where the environment that trained had another version than the lock says, or lacked a package.

    Args:
        installed: normalised name -> version, as the training statement records it.
    """
    for pin in lock.pins:
        seen = installed.get(pin.name)
        if seen is None:
            yield _finding("not-installed", lock.path, pin.line, f"{pin.name} is locked, and was not there at training", "low",
                           "the run did not use it, or used something else")  # fmt: skip
        elif pin.version and seen != pin.version:
            yield _finding("other-version", lock.path, pin.line, f"{pin.name} {pin.version} is locked, {seen} trained", "high",
                           "the model comes from other code than the lock says")  # fmt: skip


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first: comments gone, continued ones joined."""
    begun, parts = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        kept = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        begun = begun or number
        if kept.endswith("\\"):
            parts.append(kept[:-1].strip())
            continue
        entry = " ".join([*parts, kept.strip()]).strip()
        if entry:
            yield begun, entry
        begun, parts = 0, []
    if any(parts):
        yield begun, " ".join(parts)


def _entry(path: str, number: int, entry: str) -> tuple[Pin | None, list[Finding]]:
    if entry.startswith("-"):
        return None, _option(path, number, entry)
    match = _LINE.match(entry)
    if match is None or "://" in entry.split(";", maxsplit=1)[0].split("@", maxsplit=1)[0]:
        return None, [
            _finding(
                "unnamed", path, number, f"{entry[:80]!r} names no package", "high", "nobody can tell what it installs"
            )
        ]
    name, rest = normalised(match["name"]), match["rest"].strip()
    if rest.startswith("@"):
        return Pin(name, "", number), _address(path, number, name, rest[1:].strip())
    said = _HASH.sub("", rest).split(";")[0].strip()
    pin = _PIN.match(said)
    version = pin["version"] if pin and not pin["version"].endswith(".*") and "*" not in said else ""
    wrong = (
        []
        if version
        else [
            _finding(
                "unpinned", path, number, f"{name} has no exact version", "high", "another version comes another day"
            )
        ]
    )
    return Pin(name, version, number), wrong + _hashes(path, number, name, rest)


def _hashes(path: str, number: int, name: str, rest: str) -> list[Finding]:
    found = _HASH.findall(rest)
    if not found:
        return [
            _finding("no-hash", path, number, f"{name} has no hash", "high", "whoever serves the package can change it")
        ]
    weak = sorted({kind for kind, digest in found if _STRONG.get(kind) != len(digest)})
    return [
        _finding("weak-hash", path, number, f"{name}: {kind} is no digest that binds", "high", "two files can share it")
        for kind in weak
    ]


def _address(path: str, number: int, name: str, address: str) -> list[Finding]:
    """``name @ https://...#sha256=...``: only with a digest; a repository's commit is none that pip checks."""
    if address.startswith(("git+", "hg+", "svn+", "bzr+")):
        return [
            _finding(
                "repository", path, number, f"{name} comes from a repository", "high", "pip checks no digest of it"
            )
        ]
    digest = re.search(r"#(?:.*&)?sha(256|384|512)=[0-9a-fA-F]{64,128}\b", address) or _HASH.search(address)
    out = (
        []
        if digest
        else [
            _finding(
                "address",
                path,
                number,
                f"{name} comes from an address without a digest",
                "high",
                "whoever serves it can change it",
            )
        ]
    )
    if address.startswith("http:"):
        out.append(
            _finding(
                "address",
                path,
                number,
                f"{name} comes over plain http",
                "medium",
                "whoever stands between can read and answer",
            )
        )
    return out


def _option(path: str, number: int, entry: str) -> list[Finding]:
    name = re.split(r"[=\s]", entry, maxsplit=1)[0]
    if name in _OPTIONS:
        severity, why = _OPTIONS[name]
        return [_finding("option", path, number, f"{name} in a lock", severity, why)]
    if name.startswith(_HARMLESS):
        plain = "http://" in entry
        return (
            [_finding("option", path, number, f"{name} over plain http", "high", "whoever stands between answers")]
            if plain
            else []
        )
    return [
        _finding(
            "option", path, number, f"{entry[:60]!r} is not understood", "medium", "what it does was not looked at"
        )
    ]


def _twice(path: str, pins: Iterable[Pin]) -> Iterator[Finding]:
    seen: dict[str, Pin] = {}
    for pin in pins:
        if seen.setdefault(pin.name, pin).version != pin.version:
            yield _finding(
                "twice",
                path,
                pin.line,
                f"{pin.name} stands twice, with two versions",
                "medium",
                "markers decide which one comes",
            )


def _pylock(path: str, value: dict[str, Any]) -> Lock:
    packages = value.get("packages")
    if not isinstance(value.get("lock-version"), str) or not isinstance(packages, list):
        raise NoLock("unparsed", "no pylock.toml: lock-version or packages is missing")
    pins, findings = [], []
    for package in packages:
        if not isinstance(package, dict) or not isinstance(package.get("name"), str):
            raise NoLock("unparsed", "no pylock.toml: a package has no name")
        name, version = normalised(package["name"]), package.get("version")
        pins.append(Pin(name, version if isinstance(version, str) else "", 1))
        files = [
            f for f in (package.get("wheels"), [package.get("sdist")], [package.get("archive")]) if isinstance(f, list)
        ]
        bare = any(
            isinstance(f, dict) and not set(f.get("hashes") or ()) & set(_STRONG) for some in files for f in some
        )
        if "vcs" in package or "directory" in package:
            findings.append(
                _finding(
                    "repository", path, 1, f"{name} comes from a repository or folder", "high", "no digest is checked"
                )
            )
        elif bare or not any(isinstance(f, dict) for some in files for f in some):
            findings.append(
                _finding(
                    "no-hash", path, 1, f"{name} has a file without a hash", "high", "whoever serves it can change it"
                )
            )
    return Lock(path, tuple(pins), tuple(findings))


def _finding(rule: str, path: str, line: int, what: str, severity: Severity, why: str) -> Finding:
    return Finding(
        ID, rule, severity, 0.9 if rule != "not-locked" else 0.6, f"{what} (line {line})", Where(path=path, line=line), why,
        "pip-compile --generate-hashes, and name the result as the recipe's lock", "whether a pinned package is a good one",
    )  # fmt: skip
