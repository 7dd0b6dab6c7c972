"""What a function must look like to be run in a confined child.

A task is a module-level function marked with `@task`, in one of the allow-listed rooms. It takes a
`Job` and gives an `Answer`. The child imports it by name after it has confined itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from countermark.errors import SandboxRefused
from countermark.sandbox.wire import RawArray

ROOMS = ("checks", "features", "formats", "policy", "runtime", "sandbox", "trials")
"""Rooms whose marked functions a child will run."""
_MARK = "__countermark_task__"


class Source(Protocol):
    """Random access to bytes that the parent holds; each read is bounded and answered in full.

    Attributes:
        size: length in bytes, fixed for the life of the source.
    """

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`; `FormatRefused` where they are not there."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One request as a task sees it: JSON, raw blobs, and sources to read from on demand."""

    request: dict[str, Any]
    blobs: tuple[bytearray, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a task gives back: a JSON object and raw arrays."""

    json: dict[str, Any]
    arrays: tuple[RawArray, ...] = field(default=())


Task = Callable[[Job], Answer]


def task(function: Task) -> Task:
    """Mark a module-level function as one that a child may run."""
    setattr(function, _MARK, True)
    return function


def check_name(name: str) -> tuple[str, str]:
    """Split ``"countermark.room.module:function"``.

    Raises:
        SandboxRefused: not of that form, or the room is not on the allow-list.
    """
    module, _, function = name.partition(":")
    parts = module.split(".")
    words = all(part.isidentifier() for part in parts) and function.isidentifier()
    if not words or len(parts) < 3 or parts[0] != "countermark" or parts[1] not in ROOMS:
        raise SandboxRefused(
            f"{name!r} is not a task that a child may run",
            why=f"tasks live in countermark.{{{','.join(ROOMS)}}}",
        )
    return module, function


def resolve(name: str) -> Task:
    """Import a task by name.

    Raises:
        SandboxRefused: the name is not allowed, or the function is not marked with `@task`.
    """
    module, function = check_name(name)
    found = getattr(import_module(module), function, None)
    if not callable(found) or not getattr(found, _MARK, False):
        raise SandboxRefused(f"{name!r} is not marked as a task", mend="decorate it with countermark.sandbox.task.task")
    marked: Task = found
    return marked
