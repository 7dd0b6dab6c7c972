"""The confined side of `artefact.rows`: ids and digests of the rows of one table or shard, some at a time.

The reader stays open between requests of one child, so that each part of a file is read and decoded once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.errors import FormatRefused
from countermark.formats import _cells, _tables
from countermark.formats._column_types import schema_text
from countermark.formats.limits import OverLimit
from countermark.formats.samples import Sample, samples
from countermark.formats.source import Buffered
from countermark.sandbox.task import Answer, Job, Source, task
from countermark.sandbox.wire import RawArray

KEY = "__key__"
MOST_ROW_BYTES = 1 << 30
DOMAIN = b"cm-row/v1\0"
_ANSWER_BYTES = 64 << 20
_PIECE = 1 << 20
_Some = tuple[list[str], list[bytes]]


@dataclass(slots=True)
class _Reading:
    """What this child is reading."""

    parts: Iterator[_Some]


_now = _Reading(iter(()))


@task
def columns(job: Job) -> Answer:
    """Columns of a table, and their types in the words of the format."""
    return Answer({"columns": canonical.object_from_bytes(schema_text(_tables.opened(job.sources[0]).schema))})


@task
def begin(job: Job) -> Answer:
    """Open the source. Request: ``shard`` (whether it is a tar), ``id`` (column, or null for places)."""
    source, id_column = job.sources[0], job.request["id"]
    if job.request["shard"]:
        _now.parts = _of_shard(source, id_column)
        return Answer({})
    table = _tables.opened(source)
    text = schema_text(table.schema)
    if id_column is not None and id_column not in table.schema.names:
        raise FormatRefused(
            f"no column is called {id_column!r:.80}", why=f"columns: {', '.join(table.schema.names)[:300]}"
        )
    _now.parts = _of_table(table, DOMAIN + hashlib.sha256(text).digest(), id_column)
    return Answer({})


@task
def more(_job: Job) -> Answer:
    """The next rows: their ids, a line each, and their digests behind each other; no rows at the end."""
    ids, digests = next(_now.parts, ([], []))
    text = "\n".join(ids).encode()
    if any("\n" in one for one in ids):
        raise FormatRefused("an id holds a line break", why="it could pass for two")
    data = b"".join(digests)
    return Answer({"rows": len(ids)}, (RawArray("|u1", (len(text),), text), RawArray("|u1", (len(data),), data)))


def _of_table(table: _tables.Table, before: bytes, id_column: str | None) -> Iterator[_Some]:
    names = sorted(table.schema.names)
    at = 0
    for batch in table.batches:
        with _tables.refusing():
            columns = [_cells.cells(batch.column(name)) for name in names]
            ids = (
                [f"{n:08d}" for n in range(at, at + batch.num_rows)]
                if id_column is None
                else _ids(batch.column(id_column))
            )
        digests = [hashlib.sha256(before + b"".join(parts)).digest() for parts in zip(*columns, strict=True)]
        if not columns:
            digests = [hashlib.sha256(before).digest()] * batch.num_rows
        yield ids, digests
        at += batch.num_rows


def _ids(column: Any) -> list[str]:
    import pyarrow.types as kinds

    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    texts = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    if not texts and not kinds.is_integer(kind):
        raise FormatRefused(
            f"a column of {column.type!s:.60} names no rows", mend="--id takes a column of text or integers"
        )
    if column.null_count:
        raise FormatRefused("a row has no id", why=f"{column.null_count} values of the id column are null")
    ids = column.to_pylist()
    return ids if texts else [str(value) for value in ids]


def _of_shard(source: Source, id_column: str | None) -> Iterator[_Some]:
    if id_column not in (None, KEY):
        raise FormatRefused(f"a shard has no column {id_column!r:.80}", mend=f"its rows are named by {KEY}")
    ids: list[str] = []
    digests: list[bytes] = []
    size = 0
    buffered = Buffered(source)
    for sample in samples(buffered):
        ids.append(sample.key)
        digests.append(_sample_digest(buffered, sample))
        size += sum(member.size for member in sample.parts.values())
        if len(ids) >= _tables.BATCH_ROWS or size >= _ANSWER_BYTES:
            yield ids, digests
            ids, digests, size = [], [], 0
    if ids:
        yield ids, digests


def _sample_digest(source: Source, sample: Sample) -> bytes:
    """A sample is a row of its key and, as bytes, its components."""
    if KEY in sample.parts:
        raise FormatRefused(
            f"sample {sample.key!r:.120} has a component called {KEY}", why="it would stand for the key"
        )
    size = sum(member.size for member in sample.parts.values())
    if size > MOST_ROW_BYTES:
        raise OverLimit("bytes of a sample", size, MOST_ROW_BYTES)
    kinds = {KEY: "text", **dict.fromkeys(sample.parts, "bytes")}
    state = hashlib.sha256(DOMAIN + hashlib.sha256(canonical.to_bytes(kinds)).digest())
    for name in sorted(kinds):
        if name == KEY:
            key = sample.key.encode()
            state.update(b"\1" + len(key).to_bytes(8, "little") + key)
            continue
        member = sample.parts[name]
        state.update(b"\1" + member.size.to_bytes(8, "little"))
        for at in range(member.data_at, member.data_at + member.size, _PIECE):
            state.update(source.read(at, min(_PIECE, member.data_at + member.size - at)))
    return state.digest()
