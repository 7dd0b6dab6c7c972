"""safetensors: a JSON header and tensors that fill the rest, without gap, overlap or tail.

Source: the format's description in the safetensors repository. Nothing in it can carry code.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from countermark.canonical import object_from_bytes
from countermark.errors import StatementRefused
from countermark.formats.limits import Malformed, ModelLimits, OverLimit
from countermark.sandbox.task import Source

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
    "U64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of one element."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry: name, dtype, shape, and where its bytes lie in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class SafetensorsFacts:
    """What the whole file is made of.

    Attributes:
        tensors: in file order. metadata: the free text entries. header_bytes, data_bytes: together with
            the 8-byte length, every byte of the file.
    """

    tensors: tuple[Tensor, ...]
    metadata: dict[str, str]
    header_bytes: int
    data_bytes: int


def announces(head: bytes) -> bool:
    """True where the first 9 bytes can only be the start of this format."""
    return len(head) >= 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 1 << 40


def read(source: Source, limits: ModelLimits | None = None) -> SafetensorsFacts:
    """Account for every byte of the file.

    Raises:
        OverLimit: the header or the number of tensors is larger than the limits.
        Malformed: anything that two readers could understand differently.
    """
    bounds = limits or ModelLimits()
    size = int.from_bytes(source.read(0, min(8, source.size)), "little")
    if source.size < 10 or size > source.size - 8:
        raise Malformed("safetensors-header", f"a header of {size} bytes in a file of {source.size}", offset=0)
    if size > bounds.header_bytes:
        raise OverLimit("header_bytes", size, bounds.header_bytes, offset=0)
    header = source.read(8, size)
    if not header.startswith(b"{"):
        raise Malformed("safetensors-header", f"the header begins with {header[:1].hex()}, not with 7b", offset=8)
    try:
        entries = object_from_bytes(header.rstrip(b" "), what="the header")
    except StatementRefused as error:
        raise Malformed("safetensors-json", error.what, offset=8, why=error.why) from error
    metadata = _metadata(entries.pop("__metadata__", {}))
    if len(entries) > bounds.tensors:
        raise OverLimit("tensors", len(entries), bounds.tensors, offset=8)
    tensors = sorted((_tensor(n, e, 8 + size, bounds) for n, e in entries.items()), key=lambda t: (t.begin, t.end))
    _check_cover(tensors, 8 + size, source.size)
    return SafetensorsFacts(tuple(tensors), metadata, size, source.size - 8 - size)


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise Malformed("safetensors-metadata", "the metadata is not an object of texts", offset=8)
    return value


def _tensor(name: str, entry: Any, base: int, bounds: ModelLimits) -> Tensor:
    def wrong(what: str) -> Malformed:
        return Malformed("safetensors-entry", f"tensor {name[:200]!r}: {what}", offset=8)

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise wrong("the entry does not have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise wrong(f"unknown dtype {str(dtype)[:40]!r}")
    if not _naturals(shape) or len(shape) > bounds.axes:
        raise wrong("the shape is not a list of natural numbers")
    if not _naturals(offsets) or len(offsets) != 2:
        raise wrong("data_offsets are not two natural numbers")
    bits = BITS[dtype] * prod(shape)
    if bits % 8 or bits // 8 != offsets[1] - offsets[0]:
        raise wrong(f"{offsets[1] - offsets[0]} bytes for {dtype} x {shape[:8]}, which needs {bits / 8:g}")
    return Tensor(name, dtype, tuple(shape), base + offsets[0], base + offsets[1])


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _check_cover(tensors: list[Tensor], base: int, size: int) -> None:
    at = base
    for tensor in tensors:
        if tensor.begin != at:
            kind = "gap before" if tensor.begin > at else "overlap at"
            raise Malformed(
                "safetensors-cover",
                f"a {kind} tensor {tensor.name[:200]!r}",
                offset=min(at, tensor.begin),
                why=f"it begins at byte {tensor.begin}, the one before ends at {at}",
            )
        at = tensor.end
    if at != size:
        raise Malformed("safetensors-tail", f"{size - at} bytes after the last tensor", offset=min(at, size))
