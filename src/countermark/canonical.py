"""The one deterministic byte form of anything hashed or signed, and a strict way back.

Writing follows RFC 8785 (JSON Canonicalization Scheme). Reading is strict: duplicate keys,
NaN and infinities, half surrogate pairs, too much depth, too many values or bytes are refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

import rfc8785

from countermark.errors import StatementRefused

MAX_BYTES = 64 << 20
MAX_DEPTH = 64
MAX_VALUES = 2_000_000
MAX_INTEGER = (1 << 53) - 1
# All between two brackets, strings and what is in them included: one match, so that no piece is kept for each of many
# strings. An unclosed string runs to the end: one pass, whatever the bytes.
_BETWEEN = re.compile(rb'(?:[^][{}"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?)++', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Controls (C0, DEL, C1), line separators, and the marks that turn the direction of writing.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


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


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse_constant(text[:40])
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise StatementRefused(f"JSON object has the key {name!r:.80} twice", why="readers disagree on which counts")
    return out


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def _refuse_unbounded(data: bytes, what: str) -> None:
    """Refuse what would build too many values or nest too deep, before any value is built."""
    opened = data.count(b"{") + data.count(b"[")
    if opened + data.count(b",") > MAX_VALUES:
        raise StatementRefused(f"{what} holds more than {MAX_VALUES} values")
    if opened <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BETWEEN.sub(b"", data):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise StatementRefused(f"{what} is nested deeper than {MAX_DEPTH} levels")


def _refuse_surrogates(value: Any, text: str, what: str) -> None:
    """Half a surrogate pair is no character: it has no UTF-8 and no canonical form (RFC 8785, section 3.2.2.2)."""
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise StatementRefused(f"{what} holds half a surrogate pair", why="it has no UTF-8 form") from error


def unprintable(text: str) -> str:
    """The first character that hides or moves other text on a screen, as an escape; empty where there is none."""
    found = None if text.isprintable() else _UNPRINTABLE.search(text)
    return ascii(found.group())[1:-1] if found else ""


def from_bytes(data: bytes, *, what: str = "document", max_bytes: int = MAX_BYTES) -> Any:
    """Parse JSON strictly.

    Args:
        data: UTF-8 JSON. what: its name in messages. max_bytes: size limit checked before parsing.

    Raises:
        StatementRefused: too large, too deep, too many values, not UTF-8, not JSON, duplicate keys, numbers
            that are not finite, half a surrogate pair.
    """
    if len(data) > max_bytes:
        raise StatementRefused(f"{what} is {len(data)} bytes; the limit is {max_bytes}")
    _refuse_unbounded(data, what)
    try:
        text = data.decode("utf-8", "strict")
        value = _DECODER.decode(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, ValueError) as error:
        raise StatementRefused(f"{what} is not JSON", why=str(error)) from error
    _refuse_surrogates(value, text, what)
    return value


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
        """A string of at most `most` characters; newlines and tabs are the only control characters taken."""
        value: str = self._typed(name, str, "text")
        if len(value) > most:
            raise StatementRefused(
                f"{self._what}: field {name!r} has {len(value)} characters, at most {most} are taken"
            )
        self._printable(name, value)
        return value

    def _printable(self, name: str, value: str) -> None:
        if hidden := unprintable(value.replace("\n", "").replace("\t", "")):
            raise StatementRefused(
                f"{self._what}: field {name!r} holds the control character {hidden}",
                why="it could hide or forge what a terminal shows",
            )

    def optional_text(self, name: str) -> str | None:
        """A string, or null, or absent."""
        return None if self.optional(name) is None else self.text(name)

    def integer(self, name: str, *, least: int = 0) -> int:
        """An integer from `least` to 2**53 - 1; floats are refused even where they are whole."""
        value: int = self._typed(name, int, "an integer")
        if not least <= value <= MAX_INTEGER:
            raise StatementRefused(f"{self._what}: field {name!r} is {value!r:.40}, not from {least} to 2**53 - 1")
        return value

    def number(self, name: str, least: float, most: float) -> float:
        """A number from `least` to `most`; true and false are none."""
        value = self.any(name)
        if type(value) not in (int, float) or not least <= value <= most:
            raise StatementRefused(
                f"{self._what}: field {name!r} is no number from {least:g} to {most:g}", why=f"seen: {value!r:.80}"
            )
        return float(value)

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
        self._printable(name, "".join(values))
        return tuple(values)

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of integers from 0 to 2**53 - 1."""
        values = self.items(name)
        if not all(type(v) is int and 0 <= v <= MAX_INTEGER for v in values):
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
