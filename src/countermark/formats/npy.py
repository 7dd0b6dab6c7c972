"""NumPy's .npy and .npz: a literal header, then plain numbers; behind an object dtype, a pickle that others follow.

Source: NumPy Enhancement Proposal 1 and the docstring of `numpy.lib.format`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from countermark.formats import zipped
from countermark.formats.limits import Malformed, ModelLimits, OverLimit
from countermark.sandbox.task import Source

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 16
_SIMPLE = re.compile(
    r"[<>|=](?:b1|[iu](?:1|2|4|8)|f(?:2|4|8|16)|c(?:8|16|32)|[SUV]([0-9]{1,9})|[mM]8(?:\[[^\]]{1,20}\])?)"
)


@dataclass(frozen=True, slots=True)
class NpyFacts:
    """One array.

    Attributes:
        dtype: the descr text. shape, fortran_order: as in the header. item_bytes: bytes of one element.
        header_bytes, data_bytes: together every byte of the file. objects: the data is a pickle, which nobody read here.
    """

    dtype: str
    shape: tuple[int, ...]
    fortran_order: bool
    item_bytes: int
    header_bytes: int
    data_bytes: int
    objects: bool = False


@dataclass(frozen=True, slots=True)
class NpzFacts:
    """A zip of arrays: name to array, every byte accounted for by the zip reader."""

    arrays: dict[str, NpyFacts]


def read_npy(source: Source, limits: ModelLimits | None = None) -> NpyFacts:
    """Account for every byte of an .npy file.

    Raises:
        Malformed: data that is not exactly dtype x shape.
    """
    head = source.read(0, min(source.size, 12 + _MAX_HEADER))
    return _facts(head, source.size, limits or ModelLimits(), "")


def read_npz(source: Source, limits: ModelLimits | None = None, *, archive: zipped.Archive | None = None) -> NpzFacts:
    """Account for every byte of an .npz file; each member is inflated in pieces and its CRC checked.

    Raises:
        Malformed: the zip is not strict, a member is not an array.
    """
    bounds = limits or ModelLimits()
    archive = archive or zipped.read(source, bounds)
    arrays: dict[str, NpyFacts] = {}
    for member in archive.members:
        if not member.name.endswith(".npy"):
            raise Malformed("npz-member", f"member {member.name!r} is not an array", offset=member.header_at)
        head = _head(zipped.chunks(source, member))
        arrays[member.name] = _facts(head, member.size, bounds, f"{member.name}: ", at=member.header_at)
    return NpzFacts(arrays)


def _head(chunks: Iterable[bytes]) -> bytes:
    """The first bytes of a stream, which is read to its end."""
    out = b""
    for chunk in chunks:
        if len(out) < 12 + _MAX_HEADER:
            out += chunk[: 12 + _MAX_HEADER - len(out)]
    return out


def _facts(head: bytes, size: int, bounds: ModelLimits, who: str, at: int = 0) -> NpyFacts:
    def wrong(rule: str, what: str) -> Malformed:
        return Malformed(rule, f"{who}{what}", offset=at)

    if not head.startswith(MAGIC) or len(head) < 10 or head[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise wrong("npy-header", f"the first bytes are {head[:8].hex() or 'absent'}")
    width = 2 if head[6] == 1 else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    if length > _MAX_HEADER:
        raise OverLimit("header_bytes", length, _MAX_HEADER, offset=at)
    text = head[8 + width : 8 + width + length]
    if len(text) != length:
        raise wrong("truncated", "the file ends inside the header")
    header = _literal(text, "utf-8" if head[6] == 3 else "latin-1", wrong)
    descr, order, shape = header.get("descr"), header.get("fortran_order"), header.get("shape")
    if set(header) != {"descr", "fortran_order", "shape"} or type(order) is not bool:
        raise wrong("npy-header", "the header does not have exactly descr, fortran_order and shape")
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 1 << 63 for n in shape):
        raise wrong("npy-header", "the shape is not a tuple of natural numbers")
    if len(shape) > bounds.axes:
        raise OverLimit("axes", len(shape), bounds.axes, offset=at)
    item, start = _item_bytes(descr, wrong), 8 + width + length
    objects = _has_objects(descr)
    if objects and start == size:
        raise wrong("npy-size", "no data where a pickle is due")
    if not objects and start + item * prod(shape) != size:
        raise wrong("npy-size", f"{size - start} bytes of data where dtype and shape need {item * prod(shape)}")
    return NpyFacts(str(descr), shape, order, item, start, size - start, objects)


def _literal(text: bytes, encoding: str, wrong: Any) -> dict[str, Any]:
    try:
        decoded = text.decode(encoding).strip(" \n")
        if decoded.count("(") + decoded.count("[") + decoded.count("{") > 1000:
            raise ValueError("too many brackets")
        value = ast.literal_eval(decoded)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise wrong("npy-header", "the header is not a plain literal") from error
    if not isinstance(value, dict):
        raise wrong("npy-header", "the header is not a dictionary")
    return value


def _item_bytes(descr: Any, wrong: Any, depth: int = 0) -> int:
    """Bytes of one element of a simple or structured dtype."""
    if isinstance(descr, str):
        return _simple_bytes(descr, wrong)
    if not isinstance(descr, list) or not descr or depth > 8:
        raise wrong("npy-dtype", f"dtype {str(descr)[:100]!r} is not one that is read here")
    total = 0
    for entry in descr:
        if not isinstance(entry, tuple) or len(entry) not in (2, 3):
            raise wrong("npy-dtype", f"field {str(entry)[:100]!r}")
        shape = entry[2] if len(entry) == 3 else ()
        if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 1 << 31 for n in shape):
            raise wrong("npy-dtype", f"field {str(entry)[:100]!r}")
        total += _item_bytes(entry[1], wrong, depth + 1) * prod(shape)
    return total


def _has_objects(descr: Any) -> bool:
    return descr == "|O" if isinstance(descr, str) else any(_has_objects(entry[1]) for entry in descr)


def _simple_bytes(descr: str, wrong: Any) -> int:
    if descr == "|O":
        return 8
    match = _SIMPLE.fullmatch(descr)
    if match is None:
        raise wrong("npy-dtype", f"dtype {descr[:100]!r} is not one that is read here")
    kind = descr[1]
    if kind in "SUV":
        return int(match.group(1)) * (4 if kind == "U" else 1)
    return 8 if kind in "mM" else int(descr[2:])
