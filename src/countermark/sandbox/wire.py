"""Frames between a parent and its confined child: one kind byte, a length, the bytes. Never pickle.

Whoever reads names the kinds it expects and the largest length of each, and refuses before it
allocates. Arrays travel as raw buffers whose byte length must equal dtype x shape.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from countermark.errors import Inconclusive

_HEAD = struct.Struct(">cQ")
READ = struct.Struct(">IQQ")
"""Payload of a read: source index, offset, count."""

SETTINGS, REQUEST, BLOB, DATA = b"S", b"Q", b"B", b"D"
"""Frames that a parent sends: limits, a request, its blobs, the bytes of a read."""
HELLO, ASK, ANSWER, ARRAY = b"H", b"R", b"A", b"X"
"""Frames that a child sends: what confines it, a read, an answer, its arrays."""

ITEM_BYTES = {
    "|b1": 1, "|u1": 1, "|i1": 1, "<u2": 2, "<i2": 2, "<u4": 4, "<i4": 4, "<u8": 8, "<i8": 8,
    "<f2": 2, "<f4": 4, "<f8": 8,
}  # fmt: skip
"""The closed list of dtypes, in NumPy's array-interface spelling (little endian)."""
MAX_AXES = 8
_PIECE = 1 << 20


class ProtocolError(Inconclusive):
    """The other side of the pipe sent what the protocol does not have."""


class PipeEndedError(ProtocolError):
    """The other side is gone."""


@dataclass(frozen=True, slots=True)
class RawArray:
    """A buffer with its declared dtype and shape; `data` holds exactly that many bytes, C order.

    Attributes:
        dtype: one of `ITEM_BYTES`. shape: up to 8 axes.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview

    def declared_bytes(self) -> int:
        """Bytes that dtype and shape ask for."""
        return ITEM_BYTES[self.dtype] * math.prod(self.shape)


def array_bytes(dtype: object, shape: object, limit: int) -> int:
    """Check a declared dtype and shape before anything is allocated.

    Returns:
        the number of bytes that the buffer must have.

    Raises:
        ProtocolError: unknown dtype, an axis that is no non-negative integer, too many axes or bytes.
    """
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise ProtocolError(f"array of dtype {dtype!r}", why=f"known are {', '.join(ITEM_BYTES)}")
    if not isinstance(shape, (list, tuple)) or len(shape) > MAX_AXES:
        raise ProtocolError(f"array of shape {shape!r}")
    if not all(type(axis) is int and 0 <= axis <= limit for axis in shape):
        raise ProtocolError(f"array of shape {list(shape)!r}")
    size = ITEM_BYTES[dtype] * math.prod(shape)
    if size > limit:
        raise ProtocolError(f"array of {size} bytes; the limit is {limit}")
    return size


def send(stream: BinaryIO, kind: bytes, payload: bytes | bytearray | memoryview) -> None:
    """Write one frame; the caller flushes.

    Raises:
        BrokenPipeError: the other side is gone.
    """
    stream.write(_HEAD.pack(kind, len(payload)))
    view = memoryview(payload)
    for at in range(0, len(view), _PIECE):
        stream.write(view[at : at + _PIECE])


def receive(stream: BinaryIO, allowed: Mapping[bytes, int]) -> tuple[bytes, bytearray]:
    """Read one frame of an expected kind into private memory.

    Args:
        allowed: kind to the largest payload accepted, in bytes.

    Raises:
        PipeEndedError: the stream ended before a frame began. ProtocolError: another kind, too long, cut short.
    """
    head = stream.read(_HEAD.size)
    if not head:
        raise PipeEndedError("the other side closed the pipe")
    if len(head) != _HEAD.size:
        raise ProtocolError("a frame ends inside its head")
    kind, size = _HEAD.unpack(head)
    if kind not in allowed:
        raise ProtocolError(f"unexpected frame {kind!r}", why=f"expected one of {sorted(allowed)!r}")
    if size > allowed[kind]:
        raise ProtocolError(f"frame {kind!r} of {size} bytes; the limit is {allowed[kind]}")
    return kind, _fill(stream, size)


def _fill(stream: BinaryIO, size: int) -> bytearray:
    # Grown piece by piece: a declared length costs no memory until its bytes arrive.
    out = bytearray()
    while len(out) < size:
        piece = stream.read(min(_PIECE, size - len(out)))
        if not piece:
            raise ProtocolError(f"a frame of {size} bytes ends after {len(out)}")
        out += piece
    return out


def refusal_json(error: Any) -> dict[str, str]:
    """What a refusal says, as it crosses the pipe."""
    return {"what": str(error.what), "why": str(error.why), "mend": str(error.mend)}
