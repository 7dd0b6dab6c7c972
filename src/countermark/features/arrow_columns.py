"""From Arrow's columns to `Column`: which types are numbers, times or categories, and which say nothing a model could use."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused
from countermark.features.arrow import arrow
from countermark.features.columns import Column, Kind

MOST_WORDS, BUCKETS = 1 << 16, 1 << 12
MOST_LIST = 1024
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Planned:
    """One column to be: of the field `source`, or of the number at `item` of its fixed-size list."""

    name: str
    source: str
    kind: Kind
    declared: str
    item: int = -1


@dataclass(slots=True)
class Words:
    """Codes of one column's words, in the order of first sight. Beyond 65,536, words share 4,096 buckets by their hash.

    whole: keep every word, of a column that names rows, classes or suppliers.
    """

    codes: dict[str, int] = field(default_factory=dict)
    whole: bool = False

    def code(self, word: str) -> int:
        """Its code."""
        if not self.whole and word not in self.codes and len(self.codes) >= MOST_WORDS:
            digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
            word = f"#{int.from_bytes(digest) % BUCKETS}"
        return self.codes.setdefault(word, len(self.codes))


def columns_of_table(table: object) -> tuple[dict[str, Column], tuple[str, ...]]:
    """Columns of a pyarrow.Table or of what can become one, by name; and those left out, with the reason.

    Raises:
        MissingExtra: pyarrow is absent. pyarrow.ArrowException: the table is broken.
    """
    whole = arrow().table(table)
    plan, left = planned(whole.schema)
    out = {}
    for one in plan:
        words = Words(whole=True)
        values = values_of(whole.column(one.source), one, words)
        out[one.name] = Column(one.name, one.kind, values, tuple(words.codes), one.declared)
    return out, left


def planned(schema: Any) -> tuple[tuple[Planned, ...], tuple[str, ...]]:
    """What becomes of every field of a pyarrow schema, and what is left out, with the reason.

    Raises:
        FormatRefused: two columns have one name.
    """
    if len(set(schema.names)) != len(schema.names):
        raise FormatRefused("two columns have one name", why=f"columns: {', '.join(schema.names)[:300]}")
    plan: list[Planned] = []
    left = []
    for one in schema:
        kind, declared = _kind(one.type), str(one.type)
        if kind is not None:
            plan.append(Planned(one.name, one.name, kind, declared))
        elif size := _numbers_in(one.type):
            plan += [Planned(f"{one.name}[{i}]", one.name, "number", declared, i) for i in range(size)]
        else:
            left.append(f"column {one.name}: {declared:.60} is no number, time or text")
    return tuple(plan), tuple(left)


def values_of(array: Any, plan: Planned, words: Words) -> Floats:
    """Values of a pyarrow Array or ChunkedArray: float64 (n,), as `Column.values`; new words get the next codes.

    Raises:
        pyarrow.ArrowException: a value has no double that stands for it.
    """
    pa, array = arrow(), item_of(array, plan)
    if plan.kind == "category":
        return _codes(array, words)
    if pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    if plan.kind == "time" or _timed(array.type):
        return _seconds(array)
    return np.asarray(array.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), np.float64)


def item_of(array: Any, plan: Planned) -> Any:
    """The pyarrow Array or ChunkedArray that a plan speaks of: a column without dictionary or extension, or one number of its lists."""
    plain = _plain(array)
    return arrow().compute.list_element(plain, plan.item) if plan.item >= 0 else plain


def _codes(array: Any, words: Words) -> Floats:
    pa = arrow()
    coded = array.cast(pa.large_string()).dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    chunks = coded.chunks if isinstance(coded, pa.ChunkedArray) else [coded]
    parts = []
    for chunk in chunks:
        table = np.array([words.code(w) for w in chunk.dictionary.to_pylist()] or [0], np.float64)
        at = np.asarray(chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.intp)
        parts.append(np.where(at < 0, np.nan, table[at]))
    return np.concatenate(parts) if parts else np.zeros(0)


def _seconds(array: Any) -> Floats:
    pa, kind = arrow(), array.type
    if pa.types.is_date32(kind):
        array, unit = array.cast(pa.int32()), 86400.0
    else:
        unit = 1e-3 if pa.types.is_date64(kind) else {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[kind.unit]
        array = array.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    return np.asarray(array.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), np.float64) * unit


def _plain(array: Any) -> Any:
    """Without an extension's name; numbers without their dictionary."""
    pa = arrow()
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.cast(array.type.storage_type)
    if pa.types.is_dictionary(array.type):
        return array.cast(array.type.value_type)
    return array


def _kind(kind: Any) -> Kind | None:
    is_ = arrow().types
    if isinstance(kind, arrow().BaseExtensionType):
        return _kind(kind.storage_type)
    if is_.is_dictionary(kind):
        return _kind(kind.value_type)
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return "category"
    if is_.is_timestamp(kind) or is_.is_date(kind):
        return "time"
    numeric = (is_.is_boolean, is_.is_integer, is_.is_floating, is_.is_decimal, is_.is_null)
    return "number" if _timed(kind) or any(test(kind) for test in numeric) else None


def holds_bytes(kind: Any) -> bool:
    """Whether a type is bytes, or a record with some: what pictures are kept in."""
    is_ = arrow().types
    whole = is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_binary_view(kind)
    return bool(whole or (is_.is_struct(kind) and kind.get_field_index("bytes") >= 0))


def _timed(kind: Any) -> bool:
    is_ = arrow().types
    return bool(is_.is_time(kind) or is_.is_duration(kind))


def _numbers_in(kind: Any) -> int:
    """Length of a fixed-size list of numbers that becomes as many columns, else 0."""
    is_ = arrow().types
    return int(kind.list_size) if is_.is_fixed_size_list(kind) and kind.list_size <= MOST_LIST and (
        is_.is_integer(kind.value_type) or is_.is_floating(kind.value_type)
    ) else 0  # fmt: skip
