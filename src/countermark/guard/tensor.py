"""Bodies of queries and answers: one tensor, as a safetensors file. The header carries dtype and shape.

Source: the format's description in the safetensors repository: 8 bytes little-endian header length, JSON header, data.
Every length is checked before anything is allocated; the array is a view of the body.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.canonical import Fields, object_from_bytes, to_bytes
from countermark.errors import ExchangeRefused, StatementRefused

MEDIA_TYPE = "application/vnd.safetensors"
MAX_HEADER_BYTES = 1024
MAX_AXES = 8
_DTYPES: dict[str, Any] = {"U8": np.dtype("u1"), "F32": np.dtype("<f4")}
_NAMES = {v: k for k, v in _DTYPES.items()}


def pack(name: str, array: NDArray[Any]) -> bytes:
    """A safetensors file of one tensor.

    Args:
        array: uint8 or float32, up to 8 axes.

    Raises:
        ExchangeRefused: another dtype.
    """
    if array.dtype not in _NAMES:
        raise ExchangeRefused(f"a tensor of {array.dtype} cannot travel", mend="use uint8 or float32")
    return _header(name, _NAMES[array.dtype], array.shape) + np.ascontiguousarray(array).tobytes()


@functools.lru_cache(maxsize=256)
def _header(name: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    size = math.prod(shape) * _DTYPES[dtype].itemsize
    text = to_bytes({name: {"dtype": dtype, "shape": list(shape), "data_offsets": [0, size]}})
    text += b" " * (-len(text) % 8)  # the data then starts aligned
    return len(text).to_bytes(8, "little") + text


def unpack(name: str, body: bytes) -> NDArray[Any]:
    """The one tensor of a body, which must fill it to the last byte.

    Raises:
        ExchangeRefused: not this format, another name or dtype, a size that does not fit, values that are not finite.
    """
    length = int.from_bytes(body[:8], "little")
    if len(body) < 8 or not 2 <= length <= MAX_HEADER_BYTES or len(body) < 8 + length:
        raise ExchangeRefused("the body is not a safetensors file with a short header", why=f"{len(body)} bytes")
    dtype, shape, size = _layout(name, body[8 : 8 + length])
    if len(body) != 8 + length + size:
        raise ExchangeRefused(f"the tensor has {len(body) - 8 - length} bytes where its header says {size}")
    array = np.frombuffer(body, dtype, offset=8 + length).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise ExchangeRefused("the tensor holds values that are not finite")
    return array


@functools.lru_cache(maxsize=256)
def _layout(name: str, header: bytes) -> tuple[Any, tuple[int, ...], int]:
    try:
        outer = Fields(object_from_bytes(header, what="tensor header"), "tensor header")
        entry = Fields(outer.object(name), f"tensor {name}")
        outer.done()
        dtype, shape = _DTYPES.get(entry.text("dtype")), entry.integers("shape")
        offsets = entry.integers("data_offsets")
        entry.done()
    except StatementRefused as error:
        raise ExchangeRefused("the body's header is malformed", why=error.what) from error
    if dtype is None or len(shape) > MAX_AXES:
        raise ExchangeRefused("the tensor is neither uint8 nor float32, or has too many axes")
    size = math.prod(shape) * dtype.itemsize
    if offsets != (0, size):
        raise ExchangeRefused(f"the tensor's offsets {list(offsets)} do not fit its shape {list(shape)}")
    return dtype, shape, size
