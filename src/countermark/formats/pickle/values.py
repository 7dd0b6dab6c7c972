"""Abstract values: as much of an object as decides what loading it may do, and nothing that was built.

An integer below zero stands for the number `-1 - value`; a small integer from zero on is one of the kinds. Text is kept
as `str` while it is short enough to name something, a tuple as a tuple of its first values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NONE, BOOL, INT, FLOAT, TEXT, BYTES, BYTEARRAY, LIST, DICT, SET, FROZENSET, TUPLE, BUFFER, UNSET = range(14)
KINDS = (
    "None", "bool", "int", "float", "str", "bytes", "bytearray", "list", "dict", "set", "frozenset", "tuple", "buffer",
    "nothing",
)  # fmt: skip
KEPT_TEXT = 200
"""Characters of text that is kept; of longer text the beginning is, one character more, or its place."""
KEPT_ITEMS = 16

Value = Any
"""int (a kind, or a number), str, tuple, `Name`, `Made`, `Captured`, `Listed` or `Held`."""


@dataclass(slots=True)
class Name:
    """A global that the stream names.

    Attributes:
        module, qualname: as written, after the renaming of Python 2 names. at: byte offset of the opcode.
        entry: what the judge knows of it.
    """

    module: str
    qualname: str
    at: int
    entry: Any = None

    @property
    def full(self) -> str:
        """``module.qualname``."""
        return f"{self.module}.{self.qualname}"


@dataclass(slots=True)
class Made:
    """What a call would return.

    Attributes:
        of: the name that was called, None where it is unknown. args: what it was called with. facts: what a judge
            remembers of it, as the length of a storage. state: what BUILD gave it. items: pairs that were set in it, where a
        machine captures.
    """

    of: Name | None
    args: Value = ()
    facts: Any = None
    state: Value = UNSET
    items: list[tuple[Value, Value]] = field(default_factory=list)


@dataclass(slots=True)
class Captured:
    """A small dictionary with short text for keys, whose values a reader of the format needs."""

    items: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Listed:
    """A list whose values a reader of the format needs."""

    items: list[Value] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Held:
    """Bytes or long text that a reader may want to look into, by where they lie in the stream.

    Attributes:
        kind: ``BYTES``, ``BYTEARRAY`` or ``TEXT``. at: byte offset of the first one. size: bytes. encoding: of text.
    """

    kind: int
    at: int
    size: int
    encoding: str = "utf-8"


def number(value: Value) -> int | None:
    """The natural number that an abstract value stands for."""
    return -1 - value if type(value) is int and value < 0 else None


def kind(value: Value) -> str:
    """The kind of a value, for people."""
    if type(value) is int:
        return "int" if value < 0 else KINDS[value]
    if isinstance(value, str):
        return "str"
    if isinstance(value, tuple):
        return "tuple"
    if isinstance(value, (Captured, Listed)):
        return "dict" if isinstance(value, Captured) else "list"
    if isinstance(value, Held):
        return KINDS[value.kind]
    if isinstance(value, Name):
        return value.full
    return f"what {value.of.full} returns" if value.of else "an object"


def is_kind(value: Value, *kinds: int) -> bool:
    """Whether a value is of one of these kinds, however much of it is known."""
    if type(value) is int:
        return value in kinds or (value < 0 and INT in kinds)
    if isinstance(value, str):
        return TEXT in kinds
    if isinstance(value, tuple):
        return TUPLE in kinds
    if isinstance(value, Held):
        return value.kind in kinds
    return (isinstance(value, Captured) and DICT in kinds) or (isinstance(value, Listed) and LIST in kinds)
