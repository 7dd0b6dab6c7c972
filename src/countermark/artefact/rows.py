"""Rows inside tables and shards: the id and the `cm-row/v1` digest of each. Every byte is parsed in a confined child."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from countermark import canonical
from countermark.artefact.folder import Progress
from countermark.errors import FormatRefused, Unusable
from countermark.formats.source import FileSource
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child, Reply
from countermark.sandbox.task import Source

SHARD = ".tar"
TABLES = (".parquet", ".arrow", ".arrows", ".feather", ".ipc")
MOST_ID_BYTES = 512
DIGEST_BYTES = 32
_TASKS = "countermark.formats._rows_task"
_MOST_AT_ONCE = 4096
LIMITS = Limits(memory_bytes=2 << 30, cpu_seconds=120, wall_seconds=300.0, array_bytes=16 << 20)


class Row(NamedTuple):
    """One row: its id, and its digest (32 bytes)."""

    id: str
    digest: bytes


def files_of(source: Path) -> list[Path]:
    """Tables and shards in name order: one file, or those directly inside a folder.

    Raises:
        Unusable: there are none, or something else lies among them.
    """
    found = [source] if source.is_file() else sorted(p for p in source.glob("*") if p.name[0] != ".")
    other = [p for p in found if p.suffix not in (SHARD, *TABLES) or not p.is_file()]
    if not found or other:
        raise Unusable(
            f"{source} holds no tables or shards" if not found else f"{other[0]} is no table or shard",
            mend=f"name a file that ends in {', '.join((SHARD, *TABLES))}, or a folder of nothing else",
        )
    return found


def is_table(path: Path) -> bool:
    """Whether a path names one table or shard, by its ending."""
    return path.suffix in (SHARD, *TABLES) and path.is_file()


def rows(source: Path, id_column: str | None = None, progress: Progress | None = None) -> Iterator[Row]:
    """Every row of a file, or of the files of a folder, in their order.

    Args:
        id_column: column of text or integers that names rows, ``__key__`` for shards. Without it a row is named by its
            place: number in its table from 0, in eight digits or more, or key in its shard; after the file's name and a
            slash where `source` is a folder.
        progress: called with (rows, bytes of the files read so far).

    Raises:
        FormatRefused: malformed, over a limit, an id that no row may have. Unusable: unreadable.
        MissingExtra: a table without pyarrow. ChildFailed: the child died on it.
    """
    done = size = 0
    for file in files_of(source):
        before = f"{file.name}/" if id_column is None and source.is_dir() else ""
        with FileSource(file) as opened:
            try:
                for row in rows_of(opened, shard=file.suffix == SHARD, id_column=id_column):
                    yield Row(before + row.id, row.digest) if before else row
                    done += 1
                    if progress and not done % _MOST_AT_ONCE:
                        progress(done, size)
            except FormatRefused as error:
                raise FormatRefused(f"{file.name}: {error.what}", why=error.why, mend=error.mend) from error
            size += opened.size


def rows_of(source: Source, *, shard: bool, id_column: str | None = None) -> Iterator[Row]:
    """Every row of one table or shard, as `rows`; ids may come twice.

    Args:
        shard: whether it is a WebDataset tar; else Parquet or Arrow IPC, told by their marks.

    Raises:
        As `rows`.
    """
    with Child(LIMITS) as child:
        child.ask(f"{_TASKS}:begin", {"shard": shard, "id": id_column}, sources=[source])
        while some := _unpacked(child.ask(f"{_TASKS}:more", {}, sources=[source])):
            yield from some


def columns_of(source: Source) -> dict[str, Any]:
    """Columns of a table and their types, as docs/reference/formats/rows.md spells them.

    Raises:
        As `rows`.
    """
    with Child(LIMITS) as child:
        said = child.ask(f"{_TASKS}:columns", {}, sources=[source]).json.get("columns")
    if not isinstance(said, dict):
        raise ChildFailed("the confined reader answered with no columns")
    return said


def _unpacked(reply: Reply) -> list[Row]:
    """Rows of an answer, nothing of which is taken on trust but the digests."""
    count = reply.json.get("rows")
    if type(count) is not int or not 0 <= count <= _MOST_AT_ONCE or len(reply.arrays) != 2:
        raise ChildFailed("the confined reader answered with no rows")
    text, digests = (bytes(a.data) for a in reply.arrays)
    ids = text.decode("utf-8", "surrogateescape").split("\n") if count else []
    if len(ids) != count or len(digests) != DIGEST_BYTES * count:
        raise ChildFailed("the confined reader answered with other rows than it counted")
    for one in ids:
        check_id(one)
    return [
        Row(one, digests[at : at + DIGEST_BYTES])
        for one, at in zip(ids, range(0, len(digests), DIGEST_BYTES), strict=True)
    ]


def check_id(row_id: str) -> None:
    """Refuse ids that cannot be told apart, or that forge what a screen shows.

    Raises:
        FormatRefused: empty, more than 512 bytes, control characters, not UTF-8 or not NFC.
    """
    if row_id.isascii() and row_id.isprintable() and 0 < len(row_id) <= MOST_ID_BYTES:
        return
    try:
        size = len(row_id.encode())
    except UnicodeEncodeError as error:
        raise FormatRefused(f"the id {row_id!r:.120} is not UTF-8") from error
    if not 0 < size <= MOST_ID_BYTES:
        raise FormatRefused(
            f"an id of {size} bytes", why=f"1 to {MOST_ID_BYTES} name a row", mend="--id names another column"
        )
    if hidden := canonical.unprintable(row_id):
        raise FormatRefused(f"the id {row_id!r:.120} holds the control character {hidden}")
    if not unicodedata.is_normalized("NFC", row_id):
        raise FormatRefused(f"the id {row_id!r:.120} is not NFC", why="two ids would look alike")
