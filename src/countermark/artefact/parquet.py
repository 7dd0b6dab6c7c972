"""Records of Parquet tables: a column of pictures and one of classes. pyarrow runs in a confined child."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from countermark.artefact.records import MOST_RECORD_BYTES, Record, class_name
from countermark.errors import FormatRefused
from countermark.formats.image import sniff
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child
from countermark.sandbox.task import Source

_TASKS = "countermark.formats._parquet_task"
_AT_ONCE = 256
_LIMITS = Limits(memory_bytes=4 << 30, cpu_seconds=120, wall_seconds=300.0)
_SUFFIXES = {"jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class _Table:
    groups: tuple[int, ...]
    label: str
    picture: str
    names: tuple[str, ...]


def records(source: Source, field: str = "label") -> Iterator[Record]:
    """Records in row order; a record's key is its row number.

    Args:
        field: column of the class, text or integer (named by the table's own list of names where it has one).

    Raises:
        FormatRefused: no such table, columns that leave open which is which, a row without a readable picture.
        MissingExtra: pyarrow is absent. ChildFailed: the child died on it.
    """
    with Child(_LIMITS) as child:
        table = _look(child, source, field)
        at = 0
        for group, count in enumerate(table.groups):
            for first in range(0, count, _AT_ONCE):
                for label, data in _slice(child, source, table, group, first, min(_AT_ONCE, count - first)):
                    yield Record(f"{at:08d}", _class(label, table.names), _suffix(data, at), data)
                    at += 1


def _look(child: Child, source: Source, field: str) -> _Table:
    said = child.ask(f"{_TASKS}:look", {"field": field}, sources=[source]).json
    match said:
        case {"groups": list(groups), "label": str(label), "picture": str(picture), "names": names} if all(
            type(g) is int and g >= 0 for g in groups
        ):
            return _Table(tuple(groups), label, picture, tuple(names) if isinstance(names, list) else ())
    raise ChildFailed("the confined reader described no table")


def _slice(
    child: Child, source: Source, table: _Table, group: int, first: int, count: int
) -> Iterator[tuple[Any, bytes]]:
    asked = {"group": group, "first": first, "count": count, "label": table.label, "picture": table.picture}
    reply = child.ask(f"{_TASKS}:rows", asked, sources=[source])
    labels, lengths = reply.json.get("labels"), reply.json.get("lengths")
    if (
        not isinstance(labels, list) or not isinstance(lengths, list) or not len(labels) == len(lengths) == count
        or not all(type(n) is int and 0 < n <= MOST_RECORD_BYTES for n in lengths)
        or len(reply.arrays) != 1 or len(reply.arrays[0].data) != sum(lengths)
    ):  # fmt: skip
        raise ChildFailed("the confined reader answered with other rows than it was asked for")
    at = 0
    for label, length in zip(labels, lengths, strict=True):
        yield label, bytes(reply.arrays[0].data[at : at + length])
        at += length


def _class(value: Any, names: tuple[str, ...]) -> str:
    if type(value) is int and names:
        if not 0 <= value < len(names):
            raise FormatRefused(f"class {value} is not one of {len(names)} named ones")
        return class_name(names[value])
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
        raise FormatRefused("a row has no class")
    return class_name(str(value))


def _suffix(data: bytes, row: int) -> str:
    try:
        kind = sniff(data).format
    except FormatRefused as error:
        raise FormatRefused(f"row {row} holds no picture that is known here", why=error.what) from error
    return _SUFFIXES.get(kind, kind)
