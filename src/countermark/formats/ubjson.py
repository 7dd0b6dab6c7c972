"""Universal Binary JSON as XGBoost writes it: every length compared with what is left before anything is built.

Source: ubjson.org, draft 12.
"""

from __future__ import annotations

import struct
from typing import Any

from countermark.formats.cursor import Cursor
from countermark.formats.limits import Malformed, OverLimit
from countermark.sandbox.task import Source

MOST_BYTES = 64 << 20
_DEPTH = 64
_NUMBERS = {"i": "b", "U": "B", "I": "h", "l": "i", "L": "q", "d": "f", "D": "d"}
_PLAIN = {"Z": None, "T": True, "F": False}


def parse(source: Source) -> Any:
    """The value of the whole file.

    Raises:
        Malformed: no such value, a key twice, or bytes after it. OverLimit: larger than 64 MiB, or nested too deep.
    """
    if source.size > MOST_BYTES:
        raise OverLimit("ubjson bytes", source.size, MOST_BYTES)
    cursor = Cursor(source)
    value = _value(cursor, _marker(cursor), _DEPTH)
    if cursor.left:
        raise Malformed("ubjson-tail", f"{cursor.left} bytes after the value", offset=cursor.at)
    return value


def _marker(cursor: Cursor) -> str:
    return cursor.take(1).decode("latin-1")


def _number(cursor: Cursor, marker: str, count: int = 1) -> tuple[Any, ...]:
    form = _NUMBERS.get(marker)
    if form is None:
        raise Malformed("ubjson-number", f"{marker!r} is no number", offset=cursor.at - 1)
    width = struct.calcsize(f">{form}")
    if count * width > cursor.left:
        raise Malformed("ubjson-length", f"{count} numbers in {cursor.left} bytes", offset=cursor.at)
    return struct.unpack(f">{count}{form}", cursor.take(count * width))


def _count(cursor: Cursor) -> int:
    (value,) = _number(cursor, _marker(cursor))
    if type(value) is not int or not 0 <= value <= cursor.left:
        raise Malformed("ubjson-length", f"a length of {value} where {cursor.left} bytes are left", offset=cursor.at)
    return value


def _text(cursor: Cursor) -> str:
    at = cursor.at
    try:
        return cursor.take(_count(cursor)).decode()
    except UnicodeDecodeError as error:
        raise Malformed("ubjson-text", "a text that is not UTF-8", offset=at) from error


def _value(cursor: Cursor, marker: str, depth: int) -> Any:
    if depth <= 0:
        raise OverLimit("depth", _DEPTH, _DEPTH, offset=cursor.at)
    if marker in _PLAIN:
        return _PLAIN[marker]
    if marker in _NUMBERS:
        return _number(cursor, marker)[0]
    if marker == "S":
        return _text(cursor)
    if marker == "C":
        return cursor.take(1).decode("latin-1")
    if marker == "[":
        return _array(cursor, depth)
    if marker == "{":
        return _object(cursor, depth)
    raise Malformed("ubjson-marker", f"{marker!r} begins no value", offset=cursor.at - 1)


def _array(cursor: Cursor, depth: int) -> list[Any]:
    marker = _marker(cursor)
    if marker == "$":
        kind = _marker(cursor)
        if _marker(cursor) != "#":
            raise Malformed("ubjson-marker", "a type without a count", offset=cursor.at - 1)
        return list(_number(cursor, kind, _count(cursor)))
    if marker == "#":
        return [_value(cursor, _marker(cursor), depth - 1) for _ in range(_count(cursor))]
    out = []
    while marker != "]":
        out.append(_value(cursor, marker, depth - 1))
        marker = _marker(cursor)
    return out


def _object(cursor: Cursor, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    while (marker := _marker(cursor)) != "}":
        if marker == "#":
            raise Malformed("ubjson-marker", "an object with a count is not written by XGBoost", offset=cursor.at - 1)
        cursor.at -= 1
        at, key = cursor.at, _text(cursor)
        if key in out:
            raise Malformed("ubjson-key", f"the key {key[:80]!r} stands twice", offset=at)
        out[key] = _value(cursor, _marker(cursor), depth - 1)
    return out
