"""Steps of the opcodes that name, call, and set the state of something, and of those that frame a stream.

Source: as `_constants`.
"""

from __future__ import annotations

from countermark.formats.pickle import opcodes as ops
from countermark.formats.pickle import values as v
from countermark.formats.pickle._constants import decoded
from countermark.formats.pickle.compat import renamed
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.values import Made, Name


def proto(machine: Machine, at: int, _code: int) -> int:
    version = machine.take(at + 1, 1)[0]
    if version > ops.NEWEST:
        raise wrong("protocol", f"protocol {version}", at)
    machine.protocol = version
    return at + 2


def frame(machine: Machine, at: int, _code: int) -> int:
    if machine.frame_end:
        raise wrong("frame", "a frame within a frame", at)
    length = int.from_bytes(machine.take(at + 1, 8), "little")
    machine.frame_end = machine.reach(at + 9, length) if length else 0
    return at + 9


def global_(machine: Machine, at: int, _code: int) -> int:
    """GLOBAL: two lines."""
    name, after = _two_lines(machine, at)
    machine.stack.append(name)
    return after


def _two_lines(machine: Machine, at: int) -> tuple[Name, int]:
    """A module and a name in it; of an empty line C says that it is truncated, and Python imports it."""
    module, after = machine.line(at + 1)
    qualname, after = machine.line(after)
    if not module or not qualname:
        raise wrong("name", "a global with an empty name", at)
    return _named(machine, decoded(module, "utf-8", at), decoded(qualname, "utf-8", at), at), after


def stack_global(machine: Machine, at: int, _code: int) -> int:
    qualname, module = machine.pop(at), machine.pop(at)
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise wrong("name", f"a global named by {v.kind(module)} and {v.kind(qualname)}", at)
    machine.stack.append(_named(machine, module, qualname, at))
    return at + 1


def _named(machine: Machine, module: str, qualname: str, at: int) -> Name:
    if machine.protocol < 3:
        module, qualname = renamed(module, qualname)
    return machine.judge.name(module, qualname, at)


def extension(machine: Machine, at: int, code: int) -> int:
    """EXT1, EXT2, EXT4: a number that the process which loads has given to some global."""
    raise wrong("extension", "a global by a number of the copyreg registry", at)


def inst(machine: Machine, at: int, _code: int) -> int:
    function, after = _two_lines(machine, at)
    args = machine.since_mark(at)
    machine.stack.append(machine.judge.call("inst", function, tuple(args[: v.KEPT_ITEMS]), at))
    return after


def obj(machine: Machine, at: int, _code: int) -> int:
    items = machine.since_mark(at)
    if not items:
        raise wrong("stack", "OBJ without a class", at)
    machine.stack.append(machine.judge.call("obj", items[0], tuple(items[1 : 1 + v.KEPT_ITEMS]), at))
    return at + 1


def reduce(machine: Machine, at: int, code: int) -> int:
    """REDUCE and NEWOBJ: a callable and a tuple of arguments."""
    args, function = machine.pop(at), machine.pop(at)
    if not v.is_kind(args, v.TUPLE) and not isinstance(args, Made):
        raise wrong("arguments", f"a call with {v.kind(args)} where a tuple is due", at)
    machine.stack.append(machine.judge.call("reduce" if code == 0x52 else "newobj", function, args, at))
    return at + 1


def newobj_ex(machine: Machine, at: int, _code: int) -> int:
    keywords, args, function = machine.pop(at), machine.pop(at), machine.pop(at)
    if not v.is_kind(args, v.TUPLE) or not v.is_kind(keywords, v.DICT):
        raise wrong("arguments", "NEWOBJ_EX without a tuple and a dictionary", at)
    machine.stack.append(machine.judge.call("newobj_ex", function, args, at))
    return at + 1


def build(machine: Machine, at: int, _code: int) -> int:
    state, target = machine.pop(at), machine.top(at)
    return machine.judge.build(target, state, at, at + 1)


def persid(machine: Machine, at: int, code: int) -> int:
    if code == 0x50:
        line, after = machine.line(at + 1)
        machine.stack.append(machine.judge.persistent(decoded(line, "ascii", at)[: v.KEPT_TEXT], at))
        return after
    machine.stack.append(machine.judge.persistent(machine.pop(at), at))
    return at + 1


def buffer(machine: Machine, at: int, code: int) -> int:
    """Out-of-band buffers come from whoever loads, never from the file."""
    raise wrong("buffer", "a buffer that is not in the file", at)
