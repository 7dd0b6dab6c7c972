"""``cm-arrays/v1``: named arrays as bytes and back, without pickle; bounded before anything is allocated.

Layout: the magic, the length of the heading (4 bytes, little endian), the heading (canonical JSON: name -> [dtype, shape]),
then the arrays one after the other in the order of their names, C order, little endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark import canonical
from countermark.errors import FormatRefused

MAGIC = b"cm-arrays/v1\n"
KINDS = frozenset({"|u1", "|b1", "<u8", "<i8", "<f4", "<f8"})
MOST_HEADER_BYTES, MOST_ARRAYS, MOST_AXES = 1 << 16, 64, 8
_LENGTH = struct.Struct("<I")
Array = NDArray[Any]


def to_bytes(arrays: Mapping[str, Array]) -> bytes:
    """The same arrays give the same bytes.

    Args:
        arrays: at most 64, of dtype uint8, bool, uint64, int64, float32 or float64, at most 8 axes.

    Raises:
        FormatRefused: an array that a reader would refuse.
    """
    plain = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in sorted(arrays.items())}
    header = canonical.to_bytes({name: [a.dtype.str, list(a.shape)] for name, a in plain.items()})
    _told(canonical.object_from_bytes(header))
    return b"".join([MAGIC, _LENGTH.pack(len(header)), header, *(a.tobytes() for a in plain.values())])


def from_bytes(data: bytes) -> dict[str, Array]:
    """Arrays that cannot be written to.

    Raises:
        FormatRefused: malformed, or of another length than its heading says.
    """
    at = len(MAGIC) + _LENGTH.size
    if data[: len(MAGIC)] != MAGIC or len(data) < at:
        raise FormatRefused("these are no arrays")
    (size,) = _LENGTH.unpack(data[len(MAGIC) : at])
    if size > min(MOST_HEADER_BYTES, len(data) - at):
        raise FormatRefused("arrays cut short, or with a heading too long")
    told = _told(canonical.object_from_bytes(data[at : at + size]))
    at += size
    if at + sum(bytes_of for _, _, bytes_of in told.values()) != len(data):
        raise FormatRefused("arrays of another length than their heading says")
    out: dict[str, Array] = {}
    for name, (dtype, shape, bytes_of) in told.items():
        out[name] = np.frombuffer(data[at : at + bytes_of], dtype).reshape(shape)
        at += bytes_of
    return out


def _told(header: dict[str, Any]) -> dict[str, tuple[str, list[int], int]]:
    out: dict[str, tuple[str, list[int], int]] = {}
    if len(header) > MOST_ARRAYS:
        raise FormatRefused(f"{len(header)} arrays", why=f"the limit is {MOST_ARRAYS}")
    for name, value in sorted(header.items()):
        if not isinstance(value, list) or len(value) != 2 or value[0] not in KINDS or not isinstance(value[1], list):
            raise FormatRefused(f"array {name!r:.80} is of no kind that is read here")
        dtype, shape = value
        if len(shape) > MOST_AXES or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
            raise FormatRefused(f"array {name!r:.80} has no shape")
        out[name] = dtype, shape, math.prod(shape) * np.dtype(dtype).itemsize
    return out
