"""Steps of the opcodes that push a constant: text, bytes and numbers.

Source: CPython 3.11 `Modules/_pickle.c`, the `load_*` functions; offsets and effects as there.
"""

from __future__ import annotations

import re
from codecs import escape_decode, getincrementaldecoder

from countermark.formats.pickle import opcodes as ops
from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.values import Held, Value

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,4299}")  # as picklers write it: of " 1" C makes True and Python 1
_ESCAPED = re.compile(rb"(?:[^\\]|\\(?:[\\'\"abfnrtv]|[0-3]?[0-7]{1,2}|x[0-9a-fA-F]{2}))*+")
_FLOAT = re.compile(
    rb"[-+]?(?:[0-9]{1,400}\.?[0-9]{0,400}(?:[eE][-+]?[0-9]{1,9})?|\.[0-9]{1,400}(?:[eE][-+]?[0-9]{1,9})?|inf|nan)"
)
_MOST_LONG = _PIECE = 1 << 20


def counted(machine: Machine, at: int, code: int) -> int:
    """Text and bytes behind their length; only text that could be a name is kept."""
    width, kind = ops.COUNTED[code]
    count = int.from_bytes(machine.take(at + 1, width), "little", signed=code in ops.SIGNED_LENGTHS)
    if count < 0:
        raise wrong("length", f"a length of {count}", at)
    after = machine.reach(at + 1 + width, count)
    utf8 = code in ops.UTF8
    value: Value
    if kind == v.TEXT and count <= v.KEPT_TEXT:
        value = decoded(machine.source.read(after - count, count), "utf-8" if utf8 else "latin-1", at)
    else:
        if utf8:
            _check_text(machine, after - count, after, at)
        value = Held(kind, after - count, count) if machine.holds else kind
    machine.stack.append(value)
    return after


def _check_text(machine: Machine, begin: int, end: int, at: int) -> None:
    """Long text is not kept, but must be text: loaders would stop here."""
    decoder = getincrementaldecoder("utf-8")("surrogatepass")
    try:
        for piece in range(begin, end, _PIECE):
            decoder.decode(machine.source.read(piece, min(_PIECE, end - piece)), final=piece + _PIECE >= end)
    except UnicodeDecodeError:
        raise wrong("text", "text that is no UTF-8", at) from None


def string(machine: Machine, at: int, _code: int) -> int:
    """STRING: a quoted literal with the escapes of Python's bytes; others only warn, and will be errors one day."""
    line, after = machine.line(at + 1)
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise wrong("text", "a STRING without its quotes", at)
    if not _ESCAPED.fullmatch(line[1:-1]):
        raise wrong("text", "a STRING with a broken escape", at)
    machine.stack.append(escape_decode(line[1:-1])[0].decode("latin-1")[: v.KEPT_TEXT + 1])
    return after


def unicode(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    text = decoded(line, "raw_unicode_escape", at)
    long = machine.holds and len(text) > v.KEPT_TEXT
    held = Held(v.TEXT, at + 1, len(line), "raw_unicode_escape")
    machine.stack.append(held if long else text[: v.KEPT_TEXT + 1])
    return after


def int_(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    if line.strip() in (b"00", b"01"):
        machine.stack.append(v.BOOL)
    elif _INTEGER.fullmatch(line):
        machine.stack.append(_number(int(line)))
    else:
        raise wrong("number", f"{line[:40]!r} is no integer", at)
    return after


def long(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    if not _INTEGER.fullmatch(line.rstrip(b"L")):
        raise wrong("number", f"{line[:40]!r} is no integer", at)
    machine.stack.append(_number(int(line.rstrip(b"L"))))
    return after


def float_(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    if not _FLOAT.fullmatch(line.strip().lower()):
        raise wrong("number", f"{line[:40]!r} is no number", at)
    machine.stack.append(v.FLOAT)
    return after


def binint(machine: Machine, at: int, code: int) -> int:
    width = 4 if code == 0x4A else 2 if code == 0x4D else 1
    machine.stack.append(_number(int.from_bytes(machine.take(at + 1, width), "little", signed=code == 0x4A)))
    return at + 1 + width


def binlong(machine: Machine, at: int, code: int) -> int:
    """LONG1 and LONG4: a number of any size; the loader's work grows with its square, so that it is bounded."""
    width = 1 if code == 0x8A else 4
    count = int.from_bytes(machine.take(at + 1, width), "little", signed=code in ops.SIGNED_LENGTHS)
    if not 0 <= count <= _MOST_LONG:
        raise wrong("length", f"a number of {count} bytes", at)
    after = machine.reach(at + 1 + width, count)
    small = count <= 8
    machine.stack.append(
        _number(int.from_bytes(machine.source.read(at + 1 + width, count), "little", signed=True)) if small else v.INT
    )
    return after


def _number(value: int) -> Value:
    return -1 - value if 0 <= value < 1 << 62 else v.INT


def push(machine: Machine, at: int, code: int) -> int:
    """Constants, where the common loop met the end of its window."""
    machine.stack.append(ops.PUSHED[code])
    return machine.reach(at, ops.STEP[code])


def decoded(data: bytes, encoding: str, at: int) -> str:
    try:
        return data.decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError:
        raise wrong("text", "text that is not what its opcode says", at) from None
