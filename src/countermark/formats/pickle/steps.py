"""The opcodes that take more than moving a value: one function each, from an offset to the next.

Source: CPython 3.11 `Modules/_pickle.c`, the `load_*` functions; offsets and effects as there.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from countermark.formats.pickle import opcodes as ops
from countermark.formats.pickle import values as v
from countermark.formats.pickle.compat import renamed
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.values import Captured, Listed, Made, Name, Value

Step = Callable[[Machine, int, int], int]
_INTEGER = re.compile(rb"[ \t\r\f\v]*[-+]?[0-9]{1,4300}[ \t\r\f\v]*")
_FLOAT = re.compile(
    rb"[-+]?(?:[0-9]{1,400}\.?[0-9]{0,400}(?:[eE][-+]?[0-9]{1,9})?|\.[0-9]{1,400}(?:[eE][-+]?[0-9]{1,9})?|inf|nan)"
)
_MOST_LONG = 1 << 20
_CAPTURED = 64


def _proto(machine: Machine, at: int, _code: int) -> int:
    version = machine.take(at + 1, 1)[0]
    if version > ops.NEWEST:
        raise wrong("protocol", f"protocol {version}", at)
    machine.protocol = version
    return at + 2


def _frame(machine: Machine, at: int, _code: int) -> int:
    if machine.frame_end:
        raise wrong("frame", "a frame within a frame", at)
    length = int.from_bytes(machine.take(at + 1, 8), "little")
    machine.frame_end = machine.reach(at + 9, length) if length else 0
    return at + 9


def _counted(machine: Machine, at: int, code: int) -> int:
    """Text and bytes behind their length; only text that could be a name is kept."""
    width, kind = ops.COUNTED[code]
    count = int.from_bytes(machine.take(at + 1, width), "little", signed=code in ops.SIGNED_LENGTHS)
    if count < 0:
        raise wrong("length", f"a length of {count}", at)
    after = machine.reach(at + 1 + width, count)
    value: Value = kind
    if kind == v.TEXT and count <= v.KEPT_TEXT:
        value = _decoded(
            machine.source.read(at + 1 + width, count), "utf-8" if code in (0x58, 0x8C, 0x8D) else "latin-1", at
        )
    machine.stack.append(value)
    return after


def _decoded(data: bytes, encoding: str, at: int) -> str:
    try:
        return data.decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError:
        raise wrong("text", "text that is not what its opcode says", at) from None


def _string(machine: Machine, at: int, _code: int) -> int:
    """STRING: a quoted literal with escapes."""
    line, after = machine.line(at + 1)
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise wrong("text", "a STRING without its quotes", at)
    try:
        machine.stack.append(line[1:-1].decode("latin-1").encode("latin-1").decode("unicode_escape")[: v.KEPT_TEXT])
    except UnicodeDecodeError:
        raise wrong("text", "a STRING with a broken escape", at) from None
    return after


def _unicode(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    machine.stack.append(_decoded(line, "raw_unicode_escape", at)[: v.KEPT_TEXT])
    return after


def _int(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    if line.strip() in (b"00", b"01"):
        machine.stack.append(v.BOOL)
    elif _INTEGER.fullmatch(line):
        machine.stack.append(_number(int(line)))
    else:
        raise wrong("number", f"{line[:40]!r} is no integer", at)
    return after


def _long(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    if not _INTEGER.fullmatch(line.rstrip(b"L")):
        raise wrong("number", f"{line[:40]!r} is no integer", at)
    machine.stack.append(_number(int(line.rstrip(b"L"))))
    return after


def _float(machine: Machine, at: int, _code: int) -> int:
    line, after = machine.line(at + 1)
    if not _FLOAT.fullmatch(line.strip().lower()):
        raise wrong("number", f"{line[:40]!r} is no number", at)
    machine.stack.append(v.FLOAT)
    return after


def _binint(machine: Machine, at: int, code: int) -> int:
    width = 4 if code == 0x4A else 2 if code == 0x4D else 1
    machine.stack.append(_number(int.from_bytes(machine.take(at + 1, width), "little", signed=code == 0x4A)))
    return at + 1 + width


def _binlong(machine: Machine, at: int, code: int) -> int:
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


def _push(machine: Machine, at: int, code: int) -> int:
    """Constants, where the common loop met the end of its window."""
    machine.stack.append(ops.PUSHED[code])
    return machine.reach(at, ops.STEP[code])


def _pop(machine: Machine, at: int, _code: int) -> int:
    """POP also takes away a mark that stands on top."""
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop(at)
    return at + 1


def _pop_mark(machine: Machine, at: int, _code: int) -> int:
    machine.since_mark(at)
    return at + 1


def _dup(machine: Machine, at: int, _code: int) -> int:
    machine.stack.append(machine.top(at))
    return at + 1


def _mark(machine: Machine, at: int, _code: int) -> int:
    machine.marks.append(len(machine.stack))
    return at + 1


def _tuple(machine: Machine, at: int, code: int) -> int:
    if code == 0x74:
        items = machine.since_mark(at)
    else:
        items = [machine.pop(at) for _ in range({0x29: 0, 0x85: 1, 0x86: 2, 0x87: 3}[code])][::-1]
    machine.stack.append(tuple(items) if len(items) <= v.KEPT_ITEMS else v.TUPLE)
    return at + 1


def _list(machine: Machine, at: int, code: int) -> int:
    items = machine.since_mark(at) if code == 0x6C else []
    machine.stack.append(Listed(items) if machine.captures else v.LIST)
    return at + 1


def _frozenset(machine: Machine, at: int, _code: int) -> int:
    machine.since_mark(at)
    machine.stack.append(v.FROZENSET)
    return at + 1


def _dict(machine: Machine, at: int, code: int) -> int:
    """DICT: pairs above a mark; EMPTY_DICT, where values are captured."""
    items = machine.since_mark(at) if code == 0x64 else []
    if len(items) % 2:
        raise wrong("stack", "a key without a value", at)
    machine.stack.append(_captured(Captured(), items) if machine.captures else v.DICT)
    return at + 1


def _captured(into: Captured, items: list[Value]) -> Value:
    """The dictionary with more pairs, or only its kind where it is none that a reader would look into."""
    pairs = list(zip(items[::2], items[1::2], strict=True))
    if len(into.items) + len(pairs) > _CAPTURED or not all(isinstance(key, str) for key, _ in pairs):
        return v.DICT
    into.items.update(pairs)
    return into


def _append(machine: Machine, at: int, code: int) -> int:
    """APPEND, APPENDS, ADDITEMS: on what is no plain list or set, the judge is asked."""
    items = [machine.pop(at)] if code == 0x61 else machine.since_mark(at)
    target = machine.top(at)
    if isinstance(target, Listed) and code != 0x90:
        target.items.extend(items)
    elif items and not (v.is_kind(target, v.SET) if code == 0x90 else v.is_kind(target, v.LIST)):
        machine.judge.extend("additems" if code == 0x90 else "append", target, at)
    return at + 1


def _setitem(machine: Machine, at: int, code: int) -> int:
    items = [machine.pop(at), machine.pop(at)][::-1] if code == 0x73 else machine.since_mark(at)
    if len(items) % 2:
        raise wrong("stack", "a key without a value", at)
    target = machine.top(at)
    if isinstance(target, Captured):
        machine.stack[-1] = _captured(target, items)
    elif items and not v.is_kind(target, v.DICT):
        machine.judge.extend("setitem", target, at)
    return at + 1


def _get(machine: Machine, at: int, code: int) -> int:
    if code == 0x67:
        line, after = machine.line(at + 1)
        machine.recall(_index(line, at), at)
        return after
    width = 1 if code == 0x68 else 4
    machine.recall(int.from_bytes(machine.take(at + 1, width), "little"), at)
    return at + 1 + width


def _put(machine: Machine, at: int, code: int) -> int:
    if code == 0x70:
        line, after = machine.line(at + 1)
        machine.remember(_index(line, at), at)
        return after
    width = 1 if code == 0x71 else 4
    machine.remember(int.from_bytes(machine.take(at + 1, width), "little"), at)
    return at + 1 + width


def _memoize(machine: Machine, at: int, _code: int) -> int:
    machine.remember(len(machine.memo), at)
    return at + 1


def _index(line: bytes, at: int) -> int:
    if not _INTEGER.fullmatch(line) or len(line) > 20:
        raise wrong("memo", f"{line[:40]!r} is no memo entry", at)
    return int(line)


def _global(machine: Machine, at: int, _code: int) -> int:
    """GLOBAL: two lines."""
    module, after = machine.line(at + 1)
    qualname, after = machine.line(after)
    machine.stack.append(_named(machine, _decoded(module, "utf-8", at), _decoded(qualname, "utf-8", at), at))
    return after


def _stack_global(machine: Machine, at: int, _code: int) -> int:
    qualname, module = machine.pop(at), machine.pop(at)
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise wrong("name", f"a global named by {v.kind(module)} and {v.kind(qualname)}", at)
    machine.stack.append(_named(machine, module, qualname, at))
    return at + 1


def _named(machine: Machine, module: str, qualname: str, at: int) -> Name:
    if machine.protocol < 3:
        module, qualname = renamed(module, qualname)
    return machine.judge.name(module, qualname, at)


def _extension(machine: Machine, at: int, code: int) -> int:
    """EXT1, EXT2, EXT4: a number that the process which loads has given to some global."""
    raise wrong("extension", "a global by a number of the copyreg registry", at)


def _inst(machine: Machine, at: int, _code: int) -> int:
    module, after = machine.line(at + 1)
    qualname, after = machine.line(after)
    function = _named(machine, _decoded(module, "utf-8", at), _decoded(qualname, "utf-8", at), at)
    args = machine.since_mark(at)
    machine.stack.append(machine.judge.call("inst", function, tuple(args[: v.KEPT_ITEMS]), at))
    return after


def _obj(machine: Machine, at: int, _code: int) -> int:
    items = machine.since_mark(at)
    if not items:
        raise wrong("stack", "OBJ without a class", at)
    machine.stack.append(machine.judge.call("obj", items[0], tuple(items[1 : 1 + v.KEPT_ITEMS]), at))
    return at + 1


def _reduce(machine: Machine, at: int, code: int) -> int:
    """REDUCE and NEWOBJ: a callable and a tuple of arguments."""
    args, function = machine.pop(at), machine.pop(at)
    if not v.is_kind(args, v.TUPLE) and not isinstance(args, Made):
        raise wrong("arguments", f"a call with {v.kind(args)} where a tuple is due", at)
    machine.stack.append(machine.judge.call("reduce" if code == 0x52 else "newobj", function, args, at))
    return at + 1


def _newobj_ex(machine: Machine, at: int, _code: int) -> int:
    keywords, args, function = machine.pop(at), machine.pop(at), machine.pop(at)
    if not v.is_kind(args, v.TUPLE) or not v.is_kind(keywords, v.DICT):
        raise wrong("arguments", "NEWOBJ_EX without a tuple and a dictionary", at)
    machine.stack.append(machine.judge.call("newobj_ex", function, args, at))
    return at + 1


def _build(machine: Machine, at: int, _code: int) -> int:
    state, target = machine.pop(at), machine.top(at)
    return machine.judge.build(target, state, at, at + 1)


def _persid(machine: Machine, at: int, code: int) -> int:
    if code == 0x50:
        line, after = machine.line(at + 1)
        machine.stack.append(machine.judge.persistent(_decoded(line, "ascii", at)[: v.KEPT_TEXT], at))
        return after
    machine.stack.append(machine.judge.persistent(machine.pop(at), at))
    return at + 1


def _buffer(machine: Machine, at: int, code: int) -> int:
    """Out-of-band buffers come from whoever loads, never from the file."""
    raise wrong("buffer", "a buffer that is not in the file", at)


STEPS: dict[int, Step] = {
    0x80: _proto, 0x95: _frame, **dict.fromkeys(ops.COUNTED, _counted), 0x53: _string, 0x56: _unicode, 0x49: _int,
    0x4C: _long, 0x46: _float, **dict.fromkeys((0x4A, 0x4B, 0x4D), _binint), **dict.fromkeys((0x8A, 0x8B), _binlong),
    **dict.fromkeys((0x4E, 0x88, 0x89, 0x47, 0x8F), _push), 0x30: _pop, 0x31: _pop_mark, 0x32: _dup, 0x28: _mark,
    **dict.fromkeys((0x74, 0x29, 0x85, 0x86, 0x87), _tuple), **dict.fromkeys((0x6C, 0x5D), _list), 0x91: _frozenset,
    **dict.fromkeys((0x64, 0x7D), _dict), **dict.fromkeys((0x61, 0x65, 0x90), _append),
    **dict.fromkeys((0x73, 0x75), _setitem), **dict.fromkeys((0x67, 0x68, 0x6A), _get),
    **dict.fromkeys((0x70, 0x71, 0x72), _put), 0x94: _memoize, 0x63: _global, 0x93: _stack_global,
    **dict.fromkeys((0x82, 0x83, 0x84), _extension), 0x69: _inst, 0x6F: _obj, **dict.fromkeys((0x52, 0x81), _reduce),
    0x92: _newobj_ex, 0x62: _build, **dict.fromkeys((0x50, 0x51), _persid), **dict.fromkeys((0x97, 0x98), _buffer),
}  # fmt: skip
"""What each opcode does, STOP apart."""
