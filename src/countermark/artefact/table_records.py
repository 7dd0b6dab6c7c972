"""Records of Parquet and Arrow tables: a picture and a class, or a name and a label. pyarrow runs in a confined child."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from countermark.artefact.records import MOST_RECORD_BYTES, Record, class_name
from countermark.errors import FormatRefused
from countermark.formats.image import sniff
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child
from countermark.sandbox.task import Source

_TASKS = "countermark.formats._records_task"
_LIMITS = Limits(memory_bytes=4 << 30, cpu_seconds=120, wall_seconds=300.0)
_SUFFIXES = {"jpeg": "jpg"}


def records(source: Source, field: str = "label") -> Iterator[Record]:
    """Records in row order; a record's key is its row number.

    Args:
        field: column of the class, text or integer (named by the table's own list of names where it has one).

    Raises:
        FormatRefused: no such table, columns that leave open which is which, a row without a readable picture.
        MissingExtra: pyarrow is absent. ChildFailed: the child died on it.
    """
    with Child(_LIMITS) as child:
        said = child.ask(f"{_TASKS}:begin_pictures", {"field": field}, sources=[source]).json.get("names")
        names = tuple(map(str, said)) if isinstance(said, list) else ()
        at = 0
        while some := list(_pictures(child, source)):
            for label, data in some:
                yield Record(f"{at:08d}", _class(label, names), _suffix(data, at), data)
                at += 1


def _pictures(child: Child, source: Source) -> Iterator[tuple[Any, bytes]]:
    reply = child.ask(f"{_TASKS}:more_pictures", {}, sources=[source])
    labels, lengths = reply.json.get("labels"), reply.json.get("lengths")
    if (
        not isinstance(labels, list) or not isinstance(lengths, list) or len(labels) != len(lengths)
        or not all(type(n) is int and n > 0 for n in lengths)
        or len(reply.arrays) != 1 or len(reply.arrays[0].data) != sum(lengths)
    ):  # fmt: skip
        raise ChildFailed("the confined reader answered with no rows")
    at = 0
    for label, length in zip(labels, lengths, strict=True):
        if length > MOST_RECORD_BYTES:
            raise FormatRefused(f"a picture has {length} bytes; the limit is {MOST_RECORD_BYTES}")
        yield label, bytes(reply.arrays[0].data[at : at + length])
        at += length


def texts(source: Source, first: str, second: str) -> Iterator[tuple[object, object]]:
    """The values of two columns of text in row order, as they stand there: a null is None.

    Raises:
        As `records`.
    """
    with Child(_LIMITS) as child:
        child.ask(f"{_TASKS}:begin_texts", {"columns": [first, second]}, sources=[source])
        while True:
            said = child.ask(f"{_TASKS}:more_texts", {}, sources=[source]).json
            match said:
                case {"first": list(ones), "second": list(others)} if len(ones) == len(others):
                    if not ones:
                        return
                    yield from zip(ones, others, strict=True)
                case _:
                    raise ChildFailed("the confined reader answered with no rows")


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
