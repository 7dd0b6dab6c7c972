"""Values of columns as the bytes of `cm-row/v1` (docs/reference/formats/rows.md). Runs in the confined child only.

Arrays must have been validated in full. A column is encoded at once, from Arrow's own buffers where it can be: as many
values as a table holds cannot each become an object of Python first.
"""

from __future__ import annotations

import itertools
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

from countermark.errors import FormatRefused
from countermark.formats._column_types import LISTS, kind, stored
from countermark.formats.limits import OverLimit

MOST_VALUES = 4 << 20
_LENGTH = struct.Struct("<Q").pack
_WIDTHS = {
    "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "HALF_FLOAT": 2, "INT32": 4, "UINT32": 4, "FLOAT": 4, "DATE32": 4,
    "TIME32": 4, "INT64": 8, "UINT64": 8, "DOUBLE": 8, "DATE64": 8, "TIME64": 8, "TIMESTAMP": 8, "DURATION": 8,
    "INTERVAL_MONTH_DAY_NANO": 16,
}  # fmt: skip
_DECIMAL_BYTES = 32
_NULL, _HERE = b"\0", b"\1"


def cells(array: Any) -> list[bytes]:
    """Each value after its presence byte: 0 alone for a null, else 1 and the value.

    Args:
        array: pyarrow Array, validated.

    Raises:
        OverLimit: lists of more than 4 Mi values at once. FormatRefused: a type that has no encoding.
    """
    here, found = _presence(array), values(array)
    if here is None:
        return [_HERE + value for value in found]
    return [_HERE + value if there else _NULL for value, there in zip(found, here, strict=True)]


def values(array: Any) -> list[bytes]:
    """Each value without its presence byte; what stands for a null means nothing."""
    array = _plain(array)
    name = kind(array.type)
    if name in _WIDTHS:
        return _cut(_raw(array, _WIDTHS[name]), _WIDTHS[name])
    if name in ("STRUCT", "MAP", "NA", "BOOL") or name in LISTS:
        if len(array) > MOST_VALUES:
            raise OverLimit("values at once", len(array), MOST_VALUES)
        return _OTHERS.get(name, _lists)(array)
    if name.startswith("DECIMAL"):
        return _decimals(array)
    return _texts(array)


def _plain(array: Any) -> Any:
    """An array without dictionary, runs or extension name."""
    import pyarrow.compute

    name = kind(array.type)
    if stored(array.type) is not array.type:
        return _plain(array.storage)
    if name == "DICTIONARY":
        return _plain(array.dictionary_decode())
    return _plain(pyarrow.compute.run_end_decode(array)) if name == "RUN_END_ENCODED" else array


def _presence(array: Any) -> list[bool] | None:
    """Which values are there; None where all are."""
    array = _plain(array)
    there: list[bool] | None = array.is_valid().to_pylist() if array.null_count else None
    return there


def _raw(array: Any, width: int) -> bytes:
    """The values of a fixed-width array behind each other, little-endian."""
    if sys.byteorder != "little":
        raise FormatRefused("row digests are made on little-endian machines only")
    data = array.buffers()[1]
    if data is None:
        return bytes(width * len(array))
    return bytes(memoryview(data)[width * array.offset : width * (array.offset + len(array))])


def _cut(raw: bytes, width: int) -> list[bytes]:
    if len(raw) // width > MOST_VALUES:
        raise OverLimit("values at once", len(raw) // width, MOST_VALUES)
    return [raw[at : at + width] for at in range(0, len(raw), width)]


def _decimals(array: Any) -> list[bytes]:
    width = array.type.bit_width // 8
    more = _DECIMAL_BYTES - width
    return [
        value + (b"\xff" if value[-1] & 0x80 else b"\0") * more for value in _cut(_raw(array, width), width)
    ]  # fmt: skip


def _texts(array: Any) -> list[bytes]:
    import pyarrow

    if len(array) > MOST_VALUES:
        raise OverLimit("values at once", len(array), MOST_VALUES)
    whole = array.cast(pyarrow.large_binary())
    _, ends, data = whole.buffers()
    if ends is None or not len(whole):
        return [b""] * len(whole)
    at = memoryview(ends).cast("q")[whole.offset : whole.offset + len(whole) + 1].tolist()
    text = bytes(memoryview(data)[at[0] : at[-1]]) if data is not None else b""
    first = at[0]
    return [_LENGTH(end - begin) + text[begin - first : end - first] for begin, end in itertools.pairwise(at)]


def _bools(array: Any) -> list[bytes]:
    return [_HERE if value else _NULL for value in array.to_pylist()]


def _nothing(array: Any) -> list[bytes]:
    return [b""] * len(array)


def _structs(array: Any) -> list[bytes]:
    order = sorted(range(array.type.num_fields), key=lambda i: str(array.type.field(i).name))
    parts = array.flatten()
    if not parts:
        return [b""] * len(array)
    return [b"".join(some) for some in zip(*(cells(parts[i]) for i in order), strict=True)]


def _maps(array: Any) -> list[bytes]:
    at = array.offsets.to_pylist()
    keys, items = _Run(array.keys, at[0], at[-1]), _Run(array.items, at[0], at[-1])
    spans = itertools.pairwise(at)
    return [_LENGTH(end - begin) + keys.of(begin, end) + items.of(begin, end) for begin, end in spans]


def _lists(array: Any) -> list[bytes]:
    spans = _spans(array)
    first = min((begin for begin, end in spans if end > begin), default=0)
    if sum(end - begin for begin, end in spans) > MOST_VALUES:
        raise OverLimit("values at once", sum(end - begin for begin, end in spans), MOST_VALUES)
    run = _Run(array.values, first, max((end for begin, end in spans if end > begin), default=0))
    return [_LENGTH(end - begin) + run.of(begin, end) for begin, end in spans]


def _spans(array: Any) -> Sequence[tuple[int, int]]:
    """Where each list's values begin and end; of a null list, nowhere."""
    name, here = kind(array.type), _presence(array) or [True] * len(array)
    if name == "FIXED_SIZE_LIST":
        size = array.type.list_size
        spans = [(size * at, size * (at + 1)) for at in range(array.offset, array.offset + len(array))]
    elif name.endswith("VIEW"):
        sized = zip(array.offsets.to_pylist(), array.sizes.to_pylist(), strict=True)
        spans = [(begin, begin + size) for begin, size in sized]
    else:
        at = array.offsets.to_pylist()
        spans = list(itertools.pairwise(at))
    return [span if there else (0, 0) for span, there in zip(spans, here, strict=True)]


class _Run:
    """Part of an array as lists take it: the presence byte of each value, then the values that are there."""

    def __init__(self, array: Any, first: int, last: int) -> None:
        if last - first > MOST_VALUES:
            raise OverLimit("values at once", last - first, MOST_VALUES)
        part = _plain(array.slice(first, last - first))
        self._first, self._here = first, _presence(part)
        self._width = _WIDTHS.get(kind(part.type), 0) if self._here is None else 0
        self._raw = _raw(part, self._width) if self._width else b""
        self._values = [] if self._width else values(part)

    def of(self, begin: int, end: int) -> bytes:
        """Values [begin, end) of the whole array."""
        if begin == end:
            return b""
        begin, end = begin - self._first, end - self._first
        if self._width:
            return _HERE * (end - begin) + self._raw[begin * self._width : end * self._width]
        if self._here is None:
            return _HERE * (end - begin) + b"".join(self._values[begin:end])
        here = self._here[begin:end]
        return bytes(here) + b"".join(v for v, there in zip(self._values[begin:end], here, strict=True) if there)


_OTHERS: dict[str, Callable[[Any], list[bytes]]] = {
    "STRUCT": _structs, "MAP": _maps, "NA": _nothing, "BOOL": _bools,
}  # fmt: skip
