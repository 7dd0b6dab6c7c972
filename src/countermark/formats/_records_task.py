"""The confined side of `artefact.table_records`: pictures with classes, or names with labels, some rows at a time.

The reader stays open between requests of one child, so that each part of a file is read and decoded once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from countermark.errors import FormatRefused
from countermark.formats import _tables
from countermark.formats._column_types import stored
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray

_MOST_NAMES = 1 << 16


@dataclass(slots=True)
class _Reading:
    """What this child is reading: columns, and the batches that are left."""

    columns: tuple[str, str]
    batches: Iterator[Any]


_now = _Reading(("", ""), iter(()))


@task
def begin_pictures(job: Job) -> Answer:
    """Find the columns of class (request ``field``) and picture; names of integer classes where the table has them.

    A table of values, which has a class and no column of bytes, is only told: ``values``; ``_values_task`` reads it.
    """
    schema, field = _tables.opened(job.sources[0]).schema, str(job.request["field"])
    if holds_values(schema, field):
        return Answer({"values": True})
    label, picture = _columns(schema, field)
    _begin(job, label, picture)
    return Answer({"names": class_names(schema, label)})


@task
def begin_texts(job: Job) -> Answer:
    """Find two columns of text (request ``columns``)."""
    import pyarrow.types as kinds

    schema = _tables.opened(job.sources[0]).schema
    first, second = map(str, job.request["columns"])
    for name in (first, second):
        found = [field.type for field in schema if field.name == name]
        texts = [k for kind in found for k in [kind.value_type if kinds.is_dictionary(kind) else kind]]
        if len(texts) != 1 or not (kinds.is_string(texts[0]) or kinds.is_large_string(texts[0])):
            raise FormatRefused(f"{len(texts)} columns of text are called {name!r:.60}", why=_told(schema))
    _begin(job, first, second)
    return Answer({})


def _begin(job: Job, first: str, second: str) -> None:
    _now.columns = first, second
    _now.batches = _tables.opened(job.sources[0], (first, second)).batches


@task
def more_pictures(_job: Job) -> Answer:
    """The next classes, and their pictures behind each other with their lengths; none at the end."""
    labels, found = _next()
    pictures = [_picture(value) for value in found]
    data = b"".join(pictures)
    return Answer({"labels": labels, "lengths": [len(p) for p in pictures]}, (RawArray("|u1", (len(data),), data),))


@task
def more_texts(_job: Job) -> Answer:
    """The next values of both columns; none at the end."""
    first, second = _next()
    return Answer({"first": first, "second": second})


def _next() -> tuple[list[Any], list[Any]]:
    with _tables.refusing():
        batch = next(_now.batches, None)
        if batch is None:
            return [], []
        first, second = (batch.column(name).to_pylist() for name in _now.columns)
        return first, second


def _columns(schema: Any, field: str) -> tuple[str, str]:
    import pyarrow.types as kinds

    pictures = [c.name for c in schema if _is_image(stored(c.type))]
    found = [c for c in schema if c.name == field]
    if len(pictures) != 1 or len(found) != 1 or not (kinds.is_integer(found[0].type) or kinds.is_string(found[0].type)):
        raise FormatRefused(
            f"this table has {len(pictures)} columns of pictures and {len(found)} called {field!r:.60}", why=_told(schema),
            mend="one binary column (or struct with bytes) holds the picture, --field names the class (text or integer)",
        )  # fmt: skip
    return field, pictures[0]


def holds_values(schema: Any, field: str) -> bool:
    """Whether a table has one column of classes called `field`, and none of bytes or of records, which may hold pictures."""
    import pyarrow.types as kinds

    columns = [stored(c.type) for c in schema]
    other = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary, kinds.is_struct)
    found = [c.value_type if kinds.is_dictionary(c) else c for c in schema.types]
    classes = [c for c, name in zip(found, schema.names, strict=True) if name == field]
    names = (kinds.is_integer, kinds.is_string, kinds.is_large_string)
    return (
        len(classes) == 1
        and any(of(classes[0]) for of in names)
        and not any(of(kind) for kind in columns for of in other)
    )


def _told(schema: Any) -> str:
    return f"columns: {', '.join(schema.names)[:300]}"


def _is_image(kind: Any) -> bool:
    import pyarrow.types as kinds

    if kinds.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_image(kind.field("bytes").type)
    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))


def _picture(value: Any) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes) or not data:
        raise FormatRefused("a row holds no picture")
    return data


def class_names(schema: Any, label: str) -> list[str] | None:
    """Names of integer classes, where the table carries them as the Hugging Face libraries write them."""
    raw = (schema.metadata or {}).get(b"huggingface", b"")
    try:
        told = json.loads(raw[: 1 << 20]) if raw else {}
        names = told["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    known = isinstance(names, list) and len(names) <= _MOST_NAMES and all(isinstance(n, str) for n in names)
    return names if known else None
