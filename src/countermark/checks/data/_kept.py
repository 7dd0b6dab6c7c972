"""Work kept from one screening to the next: blocks of rows, names that say what was computed from what by which code."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

BLOCK = 1000
LIBRARIES = ("numpy", "pillow", "scipy", "scikit-learn", "kornia-rs", "pyarrow")


class Store(Protocol):
    """Where work is kept by name; what it gives back is what was put, or None."""

    def get(self, name: str) -> bytes | None:
        """Content, or None where there is none that can be believed."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Keep content; durable when this returns."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Rows from `start` up to `stop`, all of one delivery. digest: SHA-256 hex over the digests of their files, in order."""

    start: int
    stop: int
    digest: str


def blocks(deliveries: Sequence[str], content: Sequence[bytes], first: int = 0) -> tuple[Block, ...]:
    """Runs of rows of one delivery, at most 1,000 each.

    Args:
        deliveries: n names. content: n digests of the rows' files, 32 bytes each. first: number of the first row.
    """
    out, start = [], 0
    for at in range(1, len(deliveries) + 1):
        if at == len(deliveries) or deliveries[at] != deliveries[start] or at - start == BLOCK:
            digest = hashlib.sha256(b"cm-block/v1\0" + b"".join(content[start:at])).hexdigest()
            out.append(Block(first + start, first + at, digest))
            start = at
    return tuple(out)


@dataclass(slots=True)
class Kept:
    """Kept work under names that say what it is of: kind, content, code.

    Attributes:
        store: where it lies. anew: nothing that was kept is believed. used: every name asked for or put.
        counts: rows read and rows computed, by kind.
    """

    store: Store
    anew: bool = False
    used: set[str] = field(default_factory=set)
    counts: dict[str, list[int]] = field(default_factory=dict)

    def get(self, kind: str, content: str) -> bytes | None:
        """What was kept by this very code, or None."""
        name = self._name(kind, content)
        return None if self.anew else self.store.get(name)

    def put(self, kind: str, content: str, data: bytes) -> None:
        """Keep it."""
        self.store.put(self._name(kind, content), data)

    def count(self, kind: str, *, read: int = 0, computed: int = 0) -> None:
        """Note rows."""
        both = self.counts.setdefault(kind, [0, 0])
        both[0] += read
        both[1] += computed

    def _name(self, kind: str, content: str) -> str:
        name = hashlib.sha256(f"cm-kept/v1\n{kind}\n{content}\n{code()}\n".encode()).hexdigest()
        self.used.add(name)
        return name


@cache
def code() -> str:
    """SHA-256 hex of all that a look at one picture runs: our sources, and the versions of libraries and of Python."""
    package = Path(__file__).parents[2]
    told = hashlib.sha256(f"{platform.python_version()} {platform.machine()}\n".encode())
    for name in LIBRARIES:
        told.update(f"{name} {_version(name)}\n".encode())
    for path in _sources(package):
        told.update(f"{path.relative_to(package).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"


def _sources(package: Path) -> Iterator[Path]:
    for room in ("checks/data", "engines", "features", "formats"):
        yield from sorted((package / room).glob("*.py"))
