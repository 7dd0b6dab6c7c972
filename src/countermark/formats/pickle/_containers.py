"""Steps of the opcodes that gather values and move them between stack and memo.

Source: as `_constants`.
"""

from __future__ import annotations

import re

from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.values import Captured, Listed, Made, Value

_INDEX = re.compile(rb"[ \t\r\f\v]*[-+]?[0-9]{1,20}[ \t\r\f\v]*")


def pop(machine: Machine, at: int, _code: int) -> int:
    """POP also takes away a mark that stands on top."""
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop(at)
    return at + 1


def pop_mark(machine: Machine, at: int, _code: int) -> int:
    machine.since_mark(at)
    return at + 1


def dup(machine: Machine, at: int, _code: int) -> int:
    machine.stack.append(machine.top(at))
    return at + 1


def mark(machine: Machine, at: int, _code: int) -> int:
    machine.marks.append(len(machine.stack))
    return at + 1


def tuple_(machine: Machine, at: int, code: int) -> int:
    if code == 0x74:
        items = machine.since_mark(at)
    else:
        items = [machine.pop(at) for _ in range({0x29: 0, 0x85: 1, 0x86: 2, 0x87: 3}[code])][::-1]
    machine.stack.append(tuple(items) if len(items) <= v.KEPT_ITEMS else v.TUPLE)
    return at + 1


def list_(machine: Machine, at: int, code: int) -> int:
    items = machine.since_mark(at) if code == 0x6C else []
    machine.stack.append(Listed(items) if machine.captures else v.LIST)
    return at + 1


def frozenset_(machine: Machine, at: int, _code: int) -> int:
    machine.since_mark(at)
    machine.stack.append(v.FROZENSET)
    return at + 1


def dict_(machine: Machine, at: int, code: int) -> int:
    """DICT: pairs above a mark; EMPTY_DICT, where values are captured."""
    items = machine.since_mark(at) if code == 0x64 else []
    if len(items) % 2:
        raise wrong("stack", "a key without a value", at)
    machine.stack.append(_captured(Captured(), items, machine.most) if machine.captures else v.DICT)
    return at + 1


def _captured(into: Captured, items: list[Value], most: int) -> Value:
    """The dictionary with more pairs, or only its kind where it is none that a reader would look into."""
    pairs = list(zip(items[::2], items[1::2], strict=True))
    if len(into.items) + len(pairs) > most or not all(isinstance(key, str) for key, _ in pairs):
        return v.DICT
    into.items.update(pairs)
    return into


def append(machine: Machine, at: int, code: int) -> int:
    """APPEND, APPENDS, ADDITEMS: on what is no plain list or set, the judge is asked."""
    items = [machine.pop(at)] if code == 0x61 else machine.since_mark(at)
    target = machine.top(at)
    if isinstance(target, Listed) and code != 0x90:
        target.items.extend(items)
    elif not (v.is_kind(target, v.SET) if code == 0x90 else v.is_kind(target, v.LIST)):
        machine.judge.extend("additems" if code == 0x90 else "append", target, at)
    return at + 1


def setitem(machine: Machine, at: int, code: int) -> int:
    items = [machine.pop(at), machine.pop(at)][::-1] if code == 0x73 else machine.since_mark(at)
    if len(items) % 2:
        raise wrong("stack", "a key without a value", at)
    target = machine.top(at)
    if isinstance(target, Captured):
        machine.stack[-1] = _captured(target, items, machine.most)
    elif not v.is_kind(target, v.DICT):
        machine.judge.extend("setitem", target, at)
        if machine.captures and isinstance(target, Made):
            target.items += zip(items[::2], items[1::2], strict=True)
    return at + 1


def get(machine: Machine, at: int, code: int) -> int:
    if code == 0x67:
        line, after = machine.line(at + 1)
        machine.recall(_index(line, at), at)
        return after
    width = 1 if code == 0x68 else 4
    machine.recall(int.from_bytes(machine.take(at + 1, width), "little"), at)
    return at + 1 + width


def put(machine: Machine, at: int, code: int) -> int:
    if code == 0x70:
        line, after = machine.line(at + 1)
        machine.remember(_index(line, at), at)
        return after
    width = 1 if code == 0x71 else 4
    machine.remember(int.from_bytes(machine.take(at + 1, width), "little"), at)
    return at + 1 + width


def memoize(machine: Machine, at: int, _code: int) -> int:
    machine.remember(len(machine.memo), at)
    return at + 1


def _index(line: bytes, at: int) -> int:
    if not _INDEX.fullmatch(line):
        raise wrong("memo", f"{line[:40]!r} is no memo entry", at)
    return int(line)
