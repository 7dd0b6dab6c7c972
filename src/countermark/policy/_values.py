"""CEL's operators and functions on JSON values, times and durations, as its specification defines them.

Source: github.com/google/cel-spec, doc/langdef.md ("Values", "Equality", "Ordering", "Overflow", "Standard Definitions").
Python's bool is an int and its ints are unbounded; CEL's are neither, so every operator looks at types first.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Value = Any
_MOST, _LEAST = (1 << 63) - 1, -(1 << 63)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_INT = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)", re.ASCII)
_MICROSECONDS = {"h": 3.6e9, "m": 6e7, "s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_ORDERED: tuple[type, ...] = (str, bool, datetime, timedelta)


def is_int(value: Value) -> bool:
    """An int of CEL; a bool is none."""
    return type(value) is int


def is_number(value: Value) -> bool:
    """An int or a double of CEL."""
    return type(value) in (int, float)


def kind(value: Value) -> str:
    """CEL's name of a value's type, for messages."""
    names = {bool: "bool", int: "int", float: "double", str: "string", list: "list", dict: "map", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _no(word: str, *values: Value) -> TypeError:
    return TypeError(f"{word} is not defined for {' and '.join(map(kind, values))}")


def in_range(value: int) -> int:
    """An int of 64 bits.

    Raises:
        OverflowError: it is none.
    """
    if not _LEAST <= value <= _MOST:
        raise OverflowError("an integer of more than 64 bits")
    return value


def equal(a: Value, b: Value) -> bool:
    """``==``: numbers by value, everything else only within its type; never an error."""
    if is_number(a) and is_number(b):
        return bool(a == b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)


def compare(word: str) -> Callable[[Value, Value], bool]:
    """``<``, ``<=``, ``>`` or ``>=``."""
    holds = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[word]

    def ordered(a: Value, b: Value) -> bool:
        if (is_number(a) and is_number(b)) or (type(a) is type(b) and isinstance(a, _ORDERED)):
            return bool(holds(a, b))
        raise _no(word, a, b)

    return ordered


def contained(a: Value, b: Value) -> bool:
    """``a in b``: an element of a list, or a key of a map."""
    if isinstance(b, list):
        return any(equal(a, item) for item in b)
    if isinstance(b, dict) and isinstance(a, (str, bool, int)):
        return isinstance(a, str) and a in b
    raise _no("in", a, b)


def add(a: Value, b: Value) -> Value:
    """``+``: numbers of one type, texts, lists, a time and a duration."""
    if is_int(a) and is_int(b):
        return in_range(a + b)
    times = {type(a), type(b)} <= {datetime, timedelta} and timedelta in (type(a), type(b))
    if times or (type(a) is type(b) and isinstance(a, (float, str, list))):
        return a + b
    raise _no("+", a, b)


def subtract(a: Value, b: Value) -> Value:
    """``-``: numbers of one type, times and durations."""
    if is_int(a) and is_int(b):
        return in_range(a - b)
    if type(a) is type(b) and isinstance(a, (float, datetime, timedelta)):
        return a - b
    if isinstance(a, datetime) and isinstance(b, timedelta):
        return a - b
    raise _no("-", a, b)


def multiply(a: Value, b: Value) -> Value:
    """``*``: numbers of one type."""
    if is_int(a) and is_int(b):
        return in_range(a * b)
    if isinstance(a, float) and isinstance(b, float):
        return a * b
    raise _no("*", a, b)


def divide(a: Value, b: Value) -> Value:
    """``/``: ints towards zero; doubles as IEEE 754 has it, without an error."""
    if is_int(a) and is_int(b):
        if b == 0:
            raise ZeroDivisionError("division by zero")
        return in_range(abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1))
    if isinstance(a, float) and isinstance(b, float):
        if b == 0:
            return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
        return a / b
    raise _no("/", a, b)


def remainder(a: Value, b: Value) -> int:
    """``%``: ints, with the sign of the first."""
    if not (is_int(a) and is_int(b)):
        raise _no("%", a, b)
    if b == 0:
        raise ZeroDivisionError("modulo by zero")
    return int(abs(a) % abs(b) * (-1 if a < 0 else 1))


def negate(a: Value) -> Value:
    """Unary ``-``."""
    if is_int(a):
        return in_range(-a)
    if isinstance(a, float):
        return -a
    raise _no("-", a)


def element(a: Value, key: Value) -> Value:
    """``a[key]``: of a list by position, of a map by name."""
    if isinstance(a, list) and is_int(key):
        if not 0 <= key < len(a):
            raise IndexError(f"a list of {len(a)} has no element {key}")
        return a[key]
    if isinstance(a, dict) and isinstance(key, str):
        if key not in a:
            raise KeyError(key[:80])
        return a[key]
    raise _no("[]", a, key)


def size(a: Value) -> int:
    """``size()``: code points of a text, elements of a list, entries of a map."""
    if isinstance(a, (str, list, dict)):
        return len(a)
    raise _no("size()", a)


def to_int(a: Value) -> int:
    """``int()``: towards zero; of a time, seconds since 1970."""
    if isinstance(a, str) and _INT.fullmatch(a):
        return in_range(int(a))
    if isinstance(a, datetime):
        return math.floor(a.timestamp())
    if isinstance(a, float) and math.isfinite(a):
        return in_range(int(a))
    if is_int(a):
        return int(a)
    raise _unreadable("int", a)


def to_double(a: Value) -> float:
    """``double()``."""
    if is_number(a) or (isinstance(a, str) and _DOUBLE.fullmatch(a)):
        return float(a)
    raise _unreadable("double", a)


def to_string(a: Value) -> str:
    """``string()``: numbers in their shortest form, times by RFC 3339."""
    if isinstance(a, bool):
        return "true" if a else "false"
    if isinstance(a, datetime):
        return a.isoformat().replace("+00:00", "Z")
    if isinstance(a, float):
        return str(int(a)) if a.is_integer() and abs(a) < 1e15 else repr(a)
    if isinstance(a, (str, int)):
        return str(a)
    raise _no("string()", a)


def to_timestamp(a: Value) -> datetime:
    """``timestamp()`` of RFC 3339 text, to the microsecond."""
    if isinstance(a, datetime):
        return a
    if isinstance(a, str) and (hit := _TIME.fullmatch(a)):
        whole = a.replace(hit[1], hit[1][:7]) if hit[1] else a
        return datetime.fromisoformat(whole).astimezone(UTC)
    raise _unreadable("timestamp", a)


def to_duration(a: Value) -> timedelta:
    """``duration()`` of text such as ``1h30m`` or ``-2.5s``, to the microsecond."""
    if isinstance(a, timedelta):
        return a
    text = a.removeprefix("-") if isinstance(a, str) else ""
    pieces = _PIECE.findall(text)
    if not pieces or "".join(n + u for n, u in pieces) != text:
        raise _unreadable("duration", a)
    total = sum(float(number) * _MICROSECONDS[unit] for number, unit in pieces)
    return timedelta(microseconds=-total if a.startswith("-") else total)


def _unreadable(word: str, a: Value) -> Exception:
    return ValueError(f"{word}() cannot read {a!r:.60}") if isinstance(a, (str, float)) else _no(f"{word}()", a)


def starts(a: Value, b: Value) -> bool:
    """``startsWith()``."""
    return _text("startsWith", a).startswith(_text("startsWith", b))


def ends(a: Value, b: Value) -> bool:
    """``endsWith()``."""
    return _text("endsWith", a).endswith(_text("endsWith", b))


def contains(a: Value, b: Value) -> bool:
    """``contains()``."""
    return _text("contains", b) in _text("contains", a)


def _text(word: str, a: Value) -> str:
    if not isinstance(a, str):
        raise _no(f"{word}()", a)
    return a
