"""Records of Parquet and Arrow tables: a picture or a row of values and its class, or a name and a label.

pyarrow runs in a confined child.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self

from countermark.artefact.records import MOST_RECORD_BYTES, SUPPLIER, VALUES, Record, class_name
from countermark.artefact.rows import check_id
from countermark.errors import FormatRefused
from countermark.formats.image import sniff
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child
from countermark.sandbox.task import Source

_TASKS = "countermark.formats._records_task"
_VALUES_TASKS = "countermark.features._values_task"  # by name: what checks will see of a row, read by the same code
_LIMITS = Limits(memory_bytes=4 << 30, cpu_seconds=120, wall_seconds=300.0)
_SUFFIXES = {"jpeg": "jpg"}


class Reader:
    """Keeps one confined child for several tables, one after the other; a context manager. A child that died is replaced."""

    def __init__(self) -> None:
        self._child: Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._child is not None:
            self._child.close()

    def child(self) -> Child:
        """The child, started when it is first asked for."""
        if self._child is None or not self._child.alive:
            if self._child is not None:
                self._child.close()
            self._child = Child(_LIMITS)
        return self._child


def records(
    source: Source, field: str = "label", *, values: bool = False, reader: Reader | None = None
) -> Iterator[Record]:
    """Records in row order; a record's key is its row number.

    Args:
        field: column of the class, text or integer (named by the table's own list of names where it has one).
        values: take tables of values as well, whose records are JSON objects without the class; see docs/reference/formats/delivery.md.
        reader: of a caller who reads several tables; it is free for the next one when the last record was taken.

    Raises:
        FormatRefused: no such table, columns that leave open which is which, a row without a readable picture, a cell or column that
        no check could look at. MissingExtra: pyarrow is absent. ChildFailed: the child died on it.
    """
    with nullcontext(reader) if reader else Reader() as mine:
        child = mine.child()
        said = child.ask(f"{_TASKS}:begin_pictures", {"field": field}, sources=[source]).json
        is_values = said.get("values") is True
        if is_values and not values:
            raise FormatRefused("this table has no column of pictures", why="its rows are values, and no files",
                                mend="`countermark deliver` takes it as it is")  # fmt: skip
        more = f"{_TASKS}:more_pictures"
        if is_values:
            said, more = _begun(child, source, field), f"{_VALUES_TASKS}:more"
        told = said.get("names")
        names = tuple(map(str, told)) if isinstance(told, list) else ()
        at = 0
        while some := list(_rows(child, source, more)):
            for label, data in some:
                yield Record(f"{at:08d}", _class(label, names), VALUES if is_values else _suffix(data, at), data)
                at += 1


def _begun(child: Child, source: Source, field: str) -> dict[str, Any]:
    """What the reader of values says of a table; names of columns are shown to people."""
    said = child.ask(f"{_VALUES_TASKS}:begin", {"field": field, "without": SUPPLIER}, sources=[source]).json
    match said:
        case {"columns": list(columns)} if columns and all(isinstance(name, str) for name in columns):
            for name in columns:
                check_id(name)
            return said
    raise ChildFailed("the confined reader answered with no columns")


def _rows(child: Child, source: Source, task: str) -> Iterator[tuple[Any, bytes]]:
    reply = child.ask(task, {}, sources=[source])
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
            raise FormatRefused(f"a row has {length} bytes; the limit is {MOST_RECORD_BYTES}")
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
