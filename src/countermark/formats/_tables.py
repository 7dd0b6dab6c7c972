"""Parquet and Arrow IPC tables as small validated batches. Runs in the confined child only.

Nothing that a file declares is believed: what is decoded is counted against the file's size, and a table that ends
before it said is refused.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from countermark.errors import FormatRefused, MissingExtra
from countermark.formats.limits import OverLimit
from countermark.sandbox.task import Source

MOST_ROWS = 50_000_000
MOST_GROUPS = 1 << 20
RATIO, SLACK_BYTES = 1000, 1 << 30
BATCH_ROWS, BATCH_BYTES = 4096, 32 << 20
_BUFFERS_BYTES = 64 << 20
_END = b"\xff\xff\xff\xff\0\0\0\0"


class File(io.RawIOBase):
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


@dataclass(frozen=True, slots=True)
class Table:
    """An opened table: its pyarrow schema, and its rows in order, in batches that small memory holds.

    Attributes:
        batches: RecordBatches of at most 4096 rows, validated in full; read once.
    """

    schema: Any
    batches: Iterator[Any]


def opened(source: Source, columns: Sequence[str] | None = None) -> Table:
    """Open a table of any known format.

    Args:
        columns: those to read (all), once `schema` told what there is.

    Raises:
        FormatRefused: no such table, or broken where it was looked at. OverLimit: too many rows, or bytes decoded
        beyond proportion, while it is read. MissingExtra: pyarrow is absent.
    """
    arrow = _arrow()
    arrow.set_memory_pool(arrow.system_memory_pool())  # others reserve more address space than the child may have
    magic = source.read(0, min(6, source.size))
    with refusing():
        if magic[:4] == b"PAR1":
            schema, raw = _parquet(source, columns)
        elif magic == b"ARROW1":
            schema, raw = _ipc_file(arrow, source, columns)
        elif magic[:4] == _END[:4]:
            schema, raw = _ipc_stream(arrow, source, columns)
        else:
            raise FormatRefused(
                "this is no table that is known here", why="Parquet and Arrow IPC are; their marks are not there"
            )
    return Table(schema, _bounded(raw, source.size))


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn what pyarrow says of bad bytes into a refusal; where memory ends, the child's budget speaks."""
    import pyarrow

    try:
        yield
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise FormatRefused("this table cannot be read", why=f"{type(error).__name__}: {error}"[:300]) from error


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("reading tables needs pyarrow", mend="pip install 'countermark[datasets]'") from None
    return pyarrow


def _parquet(source: Source, columns: Sequence[str] | None) -> tuple[Any, Iterator[Any]]:
    from pyarrow import parquet

    facts = parquet.read_metadata(File(source))
    if facts.num_row_groups > MOST_GROUPS:
        raise OverLimit("row groups", facts.num_row_groups, MOST_GROUPS)
    buffer = max(64 << 10, min(4 << 20, _BUFFERS_BYTES // max(1, facts.num_columns)))
    file = parquet.ParquetFile(File(source), metadata=facts, pre_buffer=False, buffer_size=buffer)
    size = max(1, sum(max(0, facts.row_group(i).total_byte_size) for i in range(facts.num_row_groups)))
    at_once = max(1, min(BATCH_ROWS, BATCH_BYTES * max(0, facts.num_rows) // size))
    return file.schema_arrow, _groups(file, facts.num_rows, at_once, columns)


def _groups(file: Any, declared: int, at_once: int, columns: Sequence[str] | None) -> Iterator[Any]:
    seen = 0
    wanted = None if columns is None else list(columns)
    for batch in file.iter_batches(batch_size=at_once, columns=wanted, use_threads=False):
        seen += batch.num_rows
        yield batch
    if seen != declared:
        raise FormatRefused(f"this table has {seen} rows and declares {declared}")


def _ipc_file(arrow: Any, source: Source, columns: Sequence[str] | None) -> tuple[Any, Iterator[Any]]:
    schema = arrow.ipc.open_file(File(source)).schema
    file = arrow.ipc.open_file(File(source), options=_options(arrow, schema, columns))
    return schema, (file.get_batch(i) for i in range(file.num_record_batches))


def _ipc_stream(arrow: Any, source: Source, columns: Sequence[str] | None) -> tuple[Any, Iterator[Any]]:
    if source.size < len(_END) or source.read(source.size - len(_END), len(_END)) != _END:
        raise FormatRefused("this stream has no end", why="without its mark, lost batches would not show",
                            mend="close its writer, or send it again")  # fmt: skip
    schema = arrow.ipc.open_stream(File(source)).schema
    return schema, _stream(arrow, source, _options(arrow, schema, columns))


def _stream(arrow: Any, source: Source, options: Any) -> Iterator[Any]:
    file = File(source)
    yield from arrow.ipc.open_stream(file, options=options)
    if file.tell() != source.size:
        raise FormatRefused("bytes after the end of the stream", why=f"{source.size - file.tell()} of them")


def _options(arrow: Any, schema: Any, columns: Sequence[str] | None) -> Any:
    fields = [] if columns is None else [i for i, name in enumerate(schema.names) if name in columns]
    return arrow.ipc.IpcReadOptions(
        included_fields=fields, use_threads=False, ensure_alignment=arrow.ipc.Alignment.DataTypeSpecific
    )


def _bounded(raw: Iterator[Any], size: int) -> Iterator[Any]:
    rows, decoded, most = 0, 0, RATIO * size + SLACK_BYTES
    while True:
        with refusing():
            batch = next(raw, None)
            if batch is None:
                return
            rows += batch.num_rows
            if rows > MOST_ROWS:
                raise OverLimit("rows", rows, MOST_ROWS)
            batch.validate(full=True)
            decoded += batch.nbytes
            if decoded > most:
                raise OverLimit("decoded bytes", decoded, most)
        step = max(1, min(BATCH_ROWS, BATCH_BYTES * batch.num_rows // max(1, batch.nbytes)))
        for at in range(0, batch.num_rows, step):
            yield batch.slice(at, step)
