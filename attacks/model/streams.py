"""Pickle streams put together opcode by opcode; nothing here loads any."""

from __future__ import annotations

import struct

STOP = b"."


def text(value: str) -> bytes:
    """Short text of protocol 4, long text of protocol 2."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw if len(raw) < 256 else b"X" + struct.pack("<I", len(raw)) + raw


def name(module: str, qualname: str) -> bytes:
    """A global by GLOBAL."""
    return f"c{module}\n{qualname}\n".encode()


def stacked(module: str, qualname: str) -> bytes:
    """A global by STACK_GLOBAL."""
    return text(module) + text(qualname) + b"\x93"


def framed(body: bytes) -> bytes:
    """Protocol 4 with one frame."""
    return b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body


def call(module: str, qualname: str, *args: str, form: int = 0) -> bytes:
    """A stream that calls a function with text: in protocol 0, 2, 3, 4, or 5 as `form` is 0 to 4."""
    if form == 0:
        said = b"".join(b"S'" + a.encode("unicode_escape").replace(b"'", b"\\'") + b"'\n" for a in args)
        return name(module, qualname) + b"(" + said + b"tR" + STOP
    given = b"(" + b"".join(b"X" + struct.pack("<I", len(a.encode())) + a.encode() for a in args) + b"t"
    if form in (1, 2):
        return b"\x80" + bytes([form + 1]) + name(module, qualname) + b"q\x00" + given + b"R" + STOP
    body = stacked(module, qualname) + b"\x94" + b"(" + b"".join(map(text, args)) + b"t\x94R\x94" + STOP
    return framed(body) if form == 3 else b"\x80\x05" + body


def within(payload: bytes) -> bytes:
    """A call without its STOP as one value of an ordinary dictionary."""
    return (
        b"\x80\x04}\x94("
        + text("state")
        + payload.removeprefix(b"\x80\x04").removesuffix(STOP)
        + text("epoch")
        + b"K\x05u."
    )


RUN = call("os", "system", "echo owned", form=3)
"""What most containers are filled with: a command, in protocol 4."""
BARE = stacked("os", "system") + text("echo owned") + b"\x85R"
"""The same without protocol and STOP."""
