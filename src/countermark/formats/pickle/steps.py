"""The table of all opcodes that take more than moving a value: one step each, from an offset to the next."""

from __future__ import annotations

from collections.abc import Callable

from countermark.formats.pickle import _calls as calls
from countermark.formats.pickle import _constants as constants
from countermark.formats.pickle import _containers as kept
from countermark.formats.pickle import opcodes as ops
from countermark.formats.pickle.machine import Machine

Step = Callable[[Machine, int, int], int]
STEPS: dict[int, Step] = {
    0x80: calls.proto, 0x95: calls.frame, **dict.fromkeys(ops.COUNTED, constants.counted), 0x53: constants.string,
    0x56: constants.unicode, 0x49: constants.int_, 0x4C: constants.long, 0x46: constants.float_,
    **dict.fromkeys((0x4A, 0x4B, 0x4D), constants.binint), **dict.fromkeys((0x8A, 0x8B), constants.binlong),
    **dict.fromkeys((0x4E, 0x88, 0x89, 0x47, 0x8F), constants.push), 0x30: kept.pop, 0x31: kept.pop_mark, 0x32: kept.dup,
    0x28: kept.mark, **dict.fromkeys((0x74, 0x29, 0x85, 0x86, 0x87), kept.tuple_),
    **dict.fromkeys((0x6C, 0x5D), kept.list_), 0x91: kept.frozenset_, **dict.fromkeys((0x64, 0x7D), kept.dict_),
    **dict.fromkeys((0x61, 0x65, 0x90), kept.append), **dict.fromkeys((0x73, 0x75), kept.setitem),
    **dict.fromkeys((0x67, 0x68, 0x6A), kept.get), **dict.fromkeys((0x70, 0x71, 0x72), kept.put), 0x94: kept.memoize,
    0x63: calls.global_, 0x93: calls.stack_global, **dict.fromkeys((0x82, 0x83, 0x84), calls.extension),
    0x69: calls.inst, 0x6F: calls.obj, **dict.fromkeys((0x52, 0x81), calls.reduce), 0x92: calls.newobj_ex,
    0x62: calls.build, **dict.fromkeys((0x50, 0x51), calls.persid), **dict.fromkeys((0x97, 0x98), calls.buffer),
}  # fmt: skip
"""What each opcode does, STOP apart."""
