"""The one deterministic byte form of anything hashed or signed, and a strict way back.

Writing follows RFC 8785 (JSON Canonicalization Scheme). Reading is strict: duplicate keys,
NaN and infinities, too much depth and too many bytes are refused before a value is built.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, NoReturn

import rfc8785

from countermark.errors import StatementRefused

MAX_BYTES = 64 << 20
MAX_DEPTH = 64


def to_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value.

    Raises:
        StatementRefused: the value has no canonical form (NaN, integers beyond 2**53, other types).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise StatementRefused("this value has no canonical JSON form", why=str(error)) from error


def sha256_hex(data: bytes | memoryview) -> str:
    """Lower-case hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def _refuse_constant(text: str) -> NoReturn:
    raise StatementRefused(f"JSON holds {text}, which is not a number", mend="write a finite number or null")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise StatementRefused(
            f"JSON object has the key {twice[0]!r} twice", why="readers disagree on which value counts"
        )
    return out


def _depth(data: bytes) -> int:
    """Deepest nesting of brackets outside strings, counted without recursion."""
    deepest = depth = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def from_bytes(data: bytes, *, what: str = "document", max_bytes: int = MAX_BYTES) -> Any:
    """Parse JSON strictly.

    Args:
        data: UTF-8 JSON. what: its name in messages. max_bytes: size limit checked before parsing.

    Raises:
        StatementRefused: too large, too deep, not UTF-8, not JSON, duplicate keys, NaN.
    """
    if len(data) > max_bytes:
        raise StatementRefused(f"{what} is {len(data)} bytes; the limit is {max_bytes}")
    # Counting every byte in Python is slow; a document with few brackets cannot be deep.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise StatementRefused(f"{what} is nested deeper than {MAX_DEPTH} levels")
    try:
        text = data.decode("utf-8", "strict")
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, ValueError) as error:
        raise StatementRefused(f"{what} is not JSON", why=str(error)) from error


def object_from_bytes(data: bytes, *, what: str = "document", max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Like `from_bytes`, and the top level must be an object.

    Raises:
        StatementRefused: as `from_bytes`, or the top level is not an object.
    """
    value = from_bytes(data, what=what, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise StatementRefused(f"{what} is not a JSON object")
    return value


class Fields:
    """Reads an object field by field and refuses what is missing, of another type, or left over.

    >>> fields = Fields({"rows": 3}, "delivery")
    >>> fields.integer("rows")
    3
    >>> fields.done()
    """

    def __init__(self, value: Any, what: str) -> None:
        if not isinstance(value, dict):
            raise StatementRefused(f"{what} is not an object")
        self._value: dict[str, Any] = value
        self._what = what
        self._seen: set[str] = set()

    def any(self, name: str) -> Any:
        """The field as it stands, which must be there."""
        self._seen.add(name)
        if name not in self._value:
            raise StatementRefused(f"{self._what}: field {name!r} is missing")
        return self._value[name]

    def _typed(self, name: str, kind: type, word: str) -> Any:
        value = self.any(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise StatementRefused(f"{self._what}: field {name!r} is not {word}", why=f"seen: {value!r:.80}")
        return value

    def text(self, name: str, *, most: int = 4096) -> str:
        """A string of at most `most` characters."""
        value: str = self._typed(name, str, "text")
        if len(value) > most:
            raise StatementRefused(
                f"{self._what}: field {name!r} has {len(value)} characters, at most {most} are taken"
            )
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or null, or absent."""
        return None if self.optional(name) is None else self.text(name)

    def integer(self, name: str, *, least: int = 0) -> int:
        """An integer >= `least`; floats are refused even where they are whole."""
        value: int = self._typed(name, int, "an integer")
        if value < least:
            raise StatementRefused(f"{self._what}: field {name!r} is {value}, less than {least}")
        return value

    def boolean(self, name: str) -> bool:
        """True or false."""
        value: bool = self._typed(name, bool, "true or false")
        return value

    def hex(self, name: str, *, size: int = 32) -> str:
        """Lower-case hex of `size` bytes."""
        value = self.text(name)
        if len(value) != 2 * size or set(value) - set("0123456789abcdef"):
            raise StatementRefused(f"{self._what}: field {name!r} is not {size} bytes of lower-case hex")
        return value

    def optional_hex(self, name: str) -> str | None:
        """Hex, or null, or absent."""
        return None if self.optional(name) is None else self.hex(name)

    def base64(self, name: str) -> bytes:
        """Bytes written as base64."""
        try:
            return base64.b64decode(self.text(name, most=MAX_BYTES), validate=True)
        except ValueError as error:
            raise StatementRefused(f"{self._what}: field {name!r} is not base64") from error

    def items(self, name: str) -> list[Any]:
        """A list."""
        value: list[Any] = self._typed(name, list, "a list")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self.items(name)
        if not all(isinstance(v, str) for v in values):
            raise StatementRefused(f"{self._what}: field {name!r} holds something that is not text")
        return tuple(values)

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of integers >= 0."""
        values = self.items(name)
        if not all(type(v) is int and v >= 0 for v in values):
            raise StatementRefused(f"{self._what}: field {name!r} holds something that is no count")
        return tuple(values)

    def object(self, name: str) -> dict[str, Any]:
        """An object."""
        value: dict[str, Any] = self._typed(name, dict, "an object")
        return value

    def optional(self, name: str) -> Any:
        """The field, or None where it is absent."""
        self._seen.add(name)
        return self._value.get(name)

    def done(self) -> None:
        """Refuse fields that nobody read: an unknown field may be critical."""
        left = sorted(set(self._value) - self._seen)
        if left:
            raise StatementRefused(
                f"{self._what}: unknown field {left[0]!r}",
                mend="a newer Countermark may know it; nothing is guessed here",
            )
