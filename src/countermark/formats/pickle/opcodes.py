"""The opcodes of protocols 0 to 5, as tables.

Source: CPython's `Lib/pickletools.py` and `Modules/_pickle.c`; opcodes are single bytes, arguments little-endian.
"""

from __future__ import annotations

from countermark.formats.pickle import values as v

NAMES: dict[int, str] = {
    0x28: "MARK", 0x2E: "STOP", 0x30: "POP", 0x31: "POP_MARK", 0x32: "DUP", 0x46: "FLOAT", 0x49: "INT", 0x4A: "BININT",
    0x4B: "BININT1", 0x4C: "LONG", 0x4D: "BININT2", 0x4E: "NONE", 0x50: "PERSID", 0x51: "BINPERSID", 0x52: "REDUCE",
    0x53: "STRING", 0x54: "BINSTRING", 0x55: "SHORT_BINSTRING", 0x56: "UNICODE", 0x58: "BINUNICODE", 0x61: "APPEND",
    0x62: "BUILD", 0x63: "GLOBAL", 0x64: "DICT", 0x7D: "EMPTY_DICT", 0x65: "APPENDS", 0x67: "GET", 0x68: "BINGET",
    0x69: "INST", 0x6A: "LONG_BINGET", 0x6C: "LIST", 0x5D: "EMPTY_LIST", 0x6F: "OBJ", 0x70: "PUT", 0x71: "BINPUT",
    0x72: "LONG_BINPUT", 0x73: "SETITEM", 0x74: "TUPLE", 0x29: "EMPTY_TUPLE", 0x75: "SETITEMS", 0x47: "BINFLOAT",
    0x80: "PROTO", 0x81: "NEWOBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x85: "TUPLE1", 0x86: "TUPLE2",
    0x87: "TUPLE3", 0x88: "NEWTRUE", 0x89: "NEWFALSE", 0x8A: "LONG1", 0x8B: "LONG4", 0x42: "BINBYTES",
    0x43: "SHORT_BINBYTES", 0x8C: "SHORT_BINUNICODE", 0x8D: "BINUNICODE8", 0x8E: "BINBYTES8", 0x8F: "EMPTY_SET",
    0x90: "ADDITEMS", 0x91: "FROZENSET", 0x92: "NEWOBJ_EX", 0x93: "STACK_GLOBAL", 0x94: "MEMOIZE", 0x95: "FRAME",
    0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}  # fmt: skip
NEWEST = 5

_PUSHED = {
    0x4E: (v.NONE, 0), 0x88: (v.BOOL, 0), 0x89: (v.BOOL, 0), 0x47: (v.FLOAT, 8), 0x5D: (v.LIST, 0),
    0x7D: (v.DICT, 0), 0x8F: (v.SET, 0),
}  # fmt: skip
PUSHED: tuple[int, ...] = tuple(_PUSHED.get(code, (-1, 0))[0] for code in range(256))
"""Kind that an opcode pushes whatever its argument is, or -1."""
KEPT: tuple[int, ...] = tuple(-1 if code in (0x5D, 0x7D) else kind for code, kind in enumerate(PUSHED))
"""The same where lists and dictionaries keep what is in them."""
STEP: tuple[int, ...] = tuple(1 + _PUSHED.get(code, (-1, 0))[1] for code in range(256))
"""Bytes of such an opcode with its argument."""

COUNTED: dict[int, tuple[int, int]] = {
    0x54: (4, v.TEXT), 0x55: (1, v.TEXT), 0x58: (4, v.TEXT), 0x8C: (1, v.TEXT), 0x8D: (8, v.TEXT),
    0x42: (4, v.BYTES), 0x43: (1, v.BYTES), 0x8E: (8, v.BYTES), 0x96: (8, v.BYTEARRAY),
}  # fmt: skip
"""Opcodes whose argument is a length of so many bytes and then that many bytes of so and so."""
SIGNED_LENGTHS = frozenset({0x54, 0x8B})
"""Opcodes whose length is signed: a negative one ends the loading."""
UTF8 = frozenset({0x58, 0x8C, 0x8D})
"""Opcodes of text in UTF-8, surrogates passed."""
