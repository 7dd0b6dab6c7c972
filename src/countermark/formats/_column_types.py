"""Types of columns in the words of `cm-row/v1` (docs/reference/formats/rows.md). Runs in the confined child only.

How a value is stored is left out: width of offsets, dictionaries, runs, views, fixed sizes, extension names.
"""

from __future__ import annotations

from typing import Any

from countermark import canonical
from countermark.errors import FormatRefused
from countermark.formats.limits import OverLimit

MOST_DEPTH = 16
MOST_COLUMNS = 4096
_FIXED = {
    "BOOL": "bool", "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
    "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "HALF_FLOAT": "float16", "FLOAT": "float32",
    "DOUBLE": "float64", "DATE32": "date32", "DATE64": "date64", "INTERVAL_MONTH_DAY_NANO": "interval[month, day, ns]",
}  # fmt: skip
_UNITS = {"TIME32": "time32", "TIME64": "time64", "TIMESTAMP": "timestamp", "DURATION": "duration"}
_TEXT = frozenset({"STRING", "LARGE_STRING", "STRING_VIEW"})
_BYTES = frozenset({"BINARY", "LARGE_BINARY", "BINARY_VIEW", "FIXED_SIZE_BINARY"})
_DECIMALS = frozenset({"DECIMAL32", "DECIMAL64", "DECIMAL128", "DECIMAL256"})
LISTS = frozenset({"LIST", "LARGE_LIST", "LIST_VIEW", "LARGE_LIST_VIEW", "FIXED_SIZE_LIST"})


def kind(type_: Any) -> str:
    """Arrow's name of a type's shape, in capitals; an extension is what it is stored as."""
    import pyarrow.lib

    if isinstance(type_, pyarrow.lib.BaseExtensionType):
        return kind(type_.storage_type)
    return _kinds().get(type_.id, "unknown")


def _kinds() -> dict[int, str]:
    import pyarrow.lib

    if not _NAMES:
        _NAMES.update({getattr(pyarrow.lib, n): n.removeprefix("Type_") for n in dir(pyarrow.lib) if n[:5] == "Type_"})
    return _NAMES


_NAMES: dict[int, str] = {}


def schema_text(schema: Any) -> bytes:
    """RFC 8785 form of ``{column: type}``.

    Raises:
        FormatRefused: a column name that comes twice, or a type that has no encoding. OverLimit: too many or too deep.
    """
    return canonical.to_bytes(_members(schema, 0))


def _members(fields: Any, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in fields:
        if field.name in out:
            raise FormatRefused(f"two columns are called {field.name!r:.80}", why="readers would take either")
        if len(out) >= MOST_COLUMNS:
            raise OverLimit("columns", len(out) + 1, MOST_COLUMNS)
        out[field.name] = type_word(field.type, depth + 1)
    return out


def type_word(type_: Any, depth: int = 1) -> Any:
    """A type as its word, or an object of one member where it holds others.

    Raises:
        As `schema_text`.
    """
    if depth > MOST_DEPTH:
        raise OverLimit("nested types", depth, MOST_DEPTH)
    name, plain = kind(type_), stored(type_)
    if name in _FIXED:
        return _FIXED[name]
    if name in _TEXT:
        return "text"
    if name in _BYTES:
        return "bytes"
    if name in _DECIMALS:
        return f"decimal[{plain.precision}, {plain.scale}]"
    if name in _UNITS:
        zone = getattr(plain, "tz", None)
        return f"{_UNITS[name]}[{plain.unit}{f', {zone}' if zone else ''}]"
    return _nested(name, plain, depth)


def _nested(name: str, plain: Any, depth: int) -> Any:
    if name in LISTS:
        return {"list": type_word(plain.value_type, depth + 1)}
    if name == "STRUCT":
        return {"struct": _members([plain.field(i) for i in range(plain.num_fields)], depth)}
    if name == "MAP":
        return {"map": [type_word(plain.key_type, depth + 1), type_word(plain.item_type, depth + 1)]}
    if name in ("DICTIONARY", "RUN_END_ENCODED"):
        return type_word(plain.value_type, depth + 1)
    if name == "NA":
        return "null"
    raise FormatRefused(
        f"a column of type {plain!s:.80} has no row encoding", mend="write it as a struct, or leave it out"
    )


def stored(type_: Any) -> Any:
    """A type, or what an extension type is stored as."""
    import pyarrow.lib

    return stored(type_.storage_type) if isinstance(type_, pyarrow.lib.BaseExtensionType) else type_
