"""The confined side of `formats.parquet`: pyarrow reads one slice of one row group, and hands on labels and bytes."""

from __future__ import annotations

import io
import json
from typing import Any

from countermark.errors import FormatRefused, MissingExtra
from countermark.sandbox.task import Answer, Job, Source, task
from countermark.sandbox.wire import RawArray

_MOST_ROWS = 4096
_MOST_GROUPS = 1 << 20


class _File(io.RawIOBase):
    """A source as the file object that pyarrow asks for."""

    def __init__(self, source: Source) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._source.size - self._at)
        data = self._source.read(self._at, left if size < 0 else min(size, left))
        self._at += len(data)
        return data


@task
def look(job: Job) -> Answer:
    """Rows of each row group, and the columns that hold class and picture."""
    file = _open(job)
    groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    if len(groups) > _MOST_GROUPS:
        raise FormatRefused(f"{len(groups)} row groups are too many")
    label, picture = _columns(file.schema_arrow, str(job.request["field"]))
    return Answer({"groups": groups, "label": label, "picture": picture, "names": _names(file.schema_arrow, label)})


@task
def rows(job: Job) -> Answer:
    """Classes of some rows of one group, and their pictures behind each other with their lengths."""
    file, asked = _open(job), job.request
    table = file.read_row_group(int(asked["group"]), columns=[asked["label"], asked["picture"]], use_threads=False)
    part = table.slice(int(asked["first"]), min(int(asked["count"]), _MOST_ROWS))
    pictures = [_picture(value) for value in part.column(asked["picture"]).to_pylist()]
    data = b"".join(pictures)
    told = {"labels": part.column(asked["label"]).to_pylist(), "lengths": [len(p) for p in pictures]}
    return Answer(told, (RawArray("|u1", (len(data),), data),))


def _open(job: Job) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("reading Parquet needs pyarrow", mend="pip install 'countermark[datasets]'") from None
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # others reserve more address space than the child may have
    try:
        return pyarrow.parquet.ParquetFile(_File(job.sources[0]), pre_buffer=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise FormatRefused("this is no Parquet file", why=str(error)[:300]) from error


def _columns(schema: Any, field: str) -> tuple[str, str]:
    import pyarrow.types as kinds

    pictures = [c.name for c in schema if kinds.is_binary(c.type) or kinds.is_large_binary(c.type) or _is_image(c.type)]
    found = [c for c in schema if c.name == field]
    if len(pictures) != 1 or len(found) != 1 or not (kinds.is_integer(found[0].type) or kinds.is_string(found[0].type)):
        raise FormatRefused(
            f"this table has {len(pictures)} columns of pictures and {len(found)} called {field!r:.60}",
            why=f"columns: {', '.join(schema.names)[:300]}",
            mend="one binary column (or struct with bytes) holds the picture, --field names the class (text or integer)",
        )  # fmt: skip
    return field, pictures[0]


def _is_image(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(
        kinds.is_struct(kind) and kind.get_field_index("bytes") >= 0 and kinds.is_binary(kind.field("bytes").type)
    )


def _picture(value: Any) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes) or not data:
        raise FormatRefused("a row holds no picture")
    return data


def _names(schema: Any, label: str) -> list[str] | None:
    """Names of integer classes, where the table carries them as the Hugging Face libraries write them."""
    raw = (schema.metadata or {}).get(b"huggingface", b"")
    try:
        told = json.loads(raw[: 1 << 20]) if raw else {}
        names = told["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None
