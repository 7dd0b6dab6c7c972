"""Streams of opcodes at random, most of them nearly right: what picklers would never write and unpicklers still read."""

from __future__ import annotations

import struct
from random import Random

_NAMES = ((b"collections", b"OrderedDict"), (b"os", b"system"), (b"__builtin__", b"xrange"), (b"a.b", b"C.d"))
_BARE = b"N\x88\x89)]}\x8f"
_BUILDS = b"tldu\x90e\x91aso\x85\x86\x87"
_CALLS = b"R\x81\x92b\x93"
_MOVES = b"(021"
_REST = b"\x97\x98\x00"


def program(rng: Random) -> bytes:
    """One stream of up to sixty opcodes; ends in STOP as a rule."""
    out = bytearray()
    if rng.random() < 0.8:
        out += b"\x80" + bytes([rng.choice((2, 3, 4, 4, 5))])
    body = b"".join(_opcode(rng) for _ in range(rng.randrange(1, 60)))
    if rng.random() < 0.3:
        body += b"."
        cut = rng.randrange(3)
        out += b"\x95" + struct.pack("<Q", max(0, len(body) - cut if rng.random() < 0.2 else len(body))) + body
        return bytes(out)
    out += body
    if rng.random() < 0.6:  # gather all that is left, so that more programs end well
        out += b"l." if rng.random() < 0.5 else b"."
    else:
        out += b"."
    return bytes(b"(" + out if out.endswith(b"l.") and out[0] != 0x80 else out)


def sound(rng: Random) -> bytes:
    """A stream that keeps its stack: everything it pushes is gathered again."""
    return b"\x80\x04" + _value(rng, 4) + b"."


def _value(rng: Random, depth: int) -> bytes:
    if depth == 0 or rng.random() < 0.3:
        return _constant(rng)
    inner = [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    keyed = b"".join(_text(rng) + item for item in inner)
    made = [
        b"](" + b"".join(inner) + b"e", b"}(" + keyed + b"u", b"(" + b"".join(inner) + b"t", b"(" + keyed + b"d",
        b"(" + b"".join(inner) + b"l", _name(rng) + b"(" + b"".join(inner) + b"tR", _name(rng) + b")\x81" + b"}(" + keyed + b"ub",
        b"(" + _pair(rng, b"i") + b"".join(inner), b"(" + _name(rng) + b"".join(inner) + b"o", _constant(rng) + b"\x94" + b"0" + _constant(rng),
        b"(" + b"".join(inner) + b"1" + _constant(rng), _text(rng) + b"Q", _name(rng) + b")}\x92", b"\x8f(" + _text(rng) + b"\x90", b"(" + _text(rng) + b"\x91",
        _constant(rng) + b"2\x86",
    ]  # fmt: skip
    out = rng.choice(made)
    if out.startswith(b"(cc") or out[:2] == b"(i":  # INST takes its arguments from above the mark
        out = b"(" + b"".join(inner) + _pair(rng, b"i")
    return out


def _opcode(rng: Random) -> bytes:
    kind = rng.random()
    if kind < 0.35:
        return _constant(rng)
    if kind < 0.5:
        return bytes([rng.choice(_MOVES)])
    if kind < 0.68:
        return bytes([rng.choice(_BUILDS)])
    if kind < 0.76:
        return bytes([rng.choice(_CALLS)])
    if kind < 0.9:
        return _memo(rng)
    if kind < 0.97:
        return _name(rng)
    return rng.choice(
        (bytes([rng.choice(_REST)]), b"\x82\x01", b"P1\n", _text(rng) + b"Q", _pair(rng, b"i"), b"\x95" + bytes(8))
    )


def _constant(rng: Random) -> bytes:
    number = rng.randrange(-(1 << 31), 1 << 31)
    return rng.choice((
        bytes([rng.choice(_BARE)]), b"K" + bytes([rng.randrange(256)]), b"M" + struct.pack("<H", number & 0xFFFF),
        b"J" + struct.pack("<i", number), b"I%d\n" % number, b"I0%d\n" % rng.randrange(2), b"L%dL\n" % number, b"F%a\n" % rng.random(),
        b"G" + struct.pack(">d", rng.random()), b"\x8a" + bytes([4]) + struct.pack("<i", number), b"\x8b\x02\0\0\0\x01\x02", _text(rng),
        b"C\x02\xff.", b"B\x02\0\0\0ab", b"\x8e\x01" + bytes(7) + b"a", b"\x96\x02" + bytes(7) + b"ab", b"S'it\\x41'\n", b'S"a"\n', b"Vt\\u0041\n",
        b"T\x02\0\0\0ab", b"U\x01a",
    ))  # fmt: skip


def _text(rng: Random) -> bytes:
    text = rng.choice((b"a", b"os", b"system", b"k%d" % rng.randrange(9), "ä".encode(), b""))
    return (
        rng.choice(
            (b"\x8c" + bytes([len(text)]), b"X" + struct.pack("<I", len(text)), b"\x8d" + struct.pack("<Q", len(text)))
        )
        + text
    )


def _memo(rng: Random) -> bytes:
    index = rng.randrange(4)
    return rng.choice((
        b"\x94", b"q" + bytes([index]), b"h" + bytes([index]), b"r" + struct.pack("<I", index), b"j" + struct.pack("<I", index),
        b"p%d\n" % index, b"g%d\n" % index,
    ))  # fmt: skip


def _pair(rng: Random, code: bytes) -> bytes:
    module, name = rng.choice(_NAMES)
    return code + module + b"\n" + name + b"\n"


def _name(rng: Random) -> bytes:
    if rng.random() < 0.6:
        return _pair(rng, b"c")
    module, name = rng.choice(_NAMES)
    return b"\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(name)]) + name + b"\x93"
