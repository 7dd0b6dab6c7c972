"""The confined side of `artefact.labelled`: id, supplier, class and picture of the rows of one table or shard.

The reader stays open between requests of one child, so that each part of a file is read and decoded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.errors import FormatRefused
from countermark.formats import _tables
from countermark.formats.limits import OverLimit
from countermark.formats.samples import Sample, samples
from countermark.formats.source import Buffered
from countermark.sandbox.task import Answer, Job, Source, task
from countermark.sandbox.wire import RawArray

PICTURES = ("png", "jpg", "jpeg", "gif", "bmp", "webp")
MOST_PICTURE_BYTES = 64 << 20
MOST_TEXT_BYTES = 1 << 20
_ANSWER_ROWS, _ANSWER_BYTES = 256, 64 << 20
Row = tuple[str, str, str, bytes]


@dataclass(slots=True)
class _Reading:
    """What this child is reading."""

    rows: Iterator[Row]
    kept: Row | None = None


_now = _Reading(iter(()))


@task
def begin(job: Job) -> Answer:
    """Open the source. Request: ``shard`` (whether it is a tar), and the columns or members: ``picture`` (empty: the one there
    is), ``label``, ``supplier``, ``id`` (empty: the row's place)."""  # fmt: skip
    names = {name: str(job.request[name]) for name in ("picture", "label", "supplier", "id")}
    read = _of_shard if job.request["shard"] else _of_table
    _now.rows, _now.kept = read(job.sources[0], names), None
    return Answer({})


@task
def more(_job: Job) -> Answer:
    """The next rows: their names, and their pictures behind each other with their lengths; none at the end."""
    rows: list[Row] = []
    size = 0
    while (row := _now.kept or next(_now.rows, None)) is not None:
        _now.kept = None
        if rows and (len(rows) >= _ANSWER_ROWS or size + len(row[3]) > _ANSWER_BYTES):
            _now.kept = row
            break
        rows.append(row)
        size += len(row[3])
    data = b"".join(row[3] for row in rows)
    told = {"rows": [list(row[:3]) for row in rows], "lengths": [len(row[3]) for row in rows]}
    return Answer(told, (RawArray("|u1", (len(data),), data),))


def _of_table(source: Source, names: dict[str, str]) -> Iterator[Row]:
    schema = _tables.opened(source).schema
    picture = names["picture"] or _only_picture(schema)
    wanted = [picture, names["label"], names["supplier"], *([names["id"]] if names["id"] else [])]
    for name in wanted:
        if schema.names.count(name) != 1:
            raise FormatRefused(
                f"{schema.names.count(name)} columns are called {name!r:.60}", why=f"columns: {', '.join(schema.names)[:300]}",
                mend="--picture-column, --label-column and --supplier-column name them",
            )  # fmt: skip
    at = 0
    for batch in _tables.opened(source, wanted).batches:
        with _tables.refusing():
            columns = [batch.column(name).to_pylist() for name in wanted]
        for content, label, supplier, *row_id in zip(*columns, strict=True):
            name = _text(row_id[0], "id", at) if row_id else f"{at:08d}"
            yield name, _text(supplier, "supplier", at), _text(label, "class", at), _picture(content, at)
            at += 1


def _of_shard(source: Source, names: dict[str, str]) -> Iterator[Row]:
    buffered = Buffered(source)
    for sample in samples(buffered):
        told = [s for s in sample.parts if s == "json"]
        pictures = [s for s in sample.parts if s == names["picture"] or (not names["picture"] and s in PICTURES)]
        if len(told) != 1 or len(pictures) != 1:
            raise FormatRefused(
                f"sample {sample.key!r:.120} has {len(pictures)} pictures and {len(told)} .json components",
                why=f"seen: {sorted(sample.parts)!r:.200}", mend="one of each; the .json names class and supplier",
            )  # fmt: skip
        facts = canonical.object_from_bytes(
            _bytes(buffered, sample, "json", MOST_TEXT_BYTES), what=f"{sample.key}.json"
        )
        name = _text(facts.get(names["id"]), "id", sample.key) if names["id"] else sample.key
        supplier = _text(facts.get(names["supplier"]), "supplier", sample.key)
        label = _text(facts.get(names["label"]), "class", sample.key)
        yield name, supplier, label, _bytes(buffered, sample, pictures[0], MOST_PICTURE_BYTES)


def _bytes(source: Source, sample: Sample, suffix: str, most: int) -> bytes:
    member = sample.parts[suffix]
    if member.size > most:
        raise OverLimit(f"bytes of {member.name!r:.120}", member.size, most)
    return source.read(member.data_at, member.size)


def _only_picture(schema: Any) -> str:
    import pyarrow.types as kinds

    found = [c.name for c in schema if kinds.is_binary(c.type) or kinds.is_large_binary(c.type) or _has_bytes(c.type)]
    if len(found) != 1:
        raise FormatRefused(
            f"this table has {len(found)} columns of bytes", why=f"columns: {', '.join(schema.names)[:300]}",
            mend="--picture-column names the one with pictures",
        )  # fmt: skip
    return str(found[0])


def _has_bytes(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _picture(value: Any, at: int) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes) or not data:
        raise FormatRefused(f"row {at} holds no picture")
    if len(data) > MOST_PICTURE_BYTES:
        raise OverLimit("bytes of a picture", len(data), MOST_PICTURE_BYTES)
    return data


def _text(value: Any, what: str, at: object) -> str:
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
        raise FormatRefused(f"row {at!s:.120} has no {what}")
    return str(value)
