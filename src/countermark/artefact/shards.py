"""Folders whose rows lie inside tables and shards: the same rows that `countermark convert` would write as files.

Nothing that such a file declares is believed. It is read from private memory once it was compared with what was signed,
and what comes out of it is counted against what went in: pictures are compressed already. A row of a table without pictures is
the JSON object of its values, which tables hold in far fewer bytes: that is bounded by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from countermark.artefact import records, table_records
from countermark.artefact.dataset import MAX_LABEL, METADATA, Dataset
from countermark.artefact.handle import open_verified
from countermark.artefact.records import VALUES, Record
from countermark.artefact.rows import SHARD, TABLES
from countermark.artefact.table_records import Reader
from countermark.artefact.tree import Tree, TreeEntry, bytes_root, check_path, folded
from countermark.errors import FormatRefused
from countermark.formats.source import Memory
from countermark.sandbox.limits import ChildFailed
from countermark.sandbox.task import Source

LAYOUT = "shards"
FIELD = "label"
MOST_ROWS = 1_000_000
RATIO, SLACK_BYTES = 4, 64 << 20
VALUES_RATIO, MOST_VALUES_BYTES = 256, 1 << 30


class Inside(NamedTuple):
    """A row inside a shard: the file that it would be, its class, its bytes, the shard, and its key there (in tables its number)."""

    entry: TreeEntry
    label: str
    data: bytes
    shard: str
    key: str


class _Left:
    """How many rows, and bytes of pictures and of values, the shards of a delivery may still give."""

    def __init__(self, size: int) -> None:
        self.rows, self.pictures = MOST_ROWS, RATIO * size + SLACK_BYTES
        self.values = min(VALUES_RATIO * size + SLACK_BYTES, MOST_VALUES_BYTES)

    def take(self, shard: str, record: Record) -> None:
        self.rows -= 1
        if record.suffix == VALUES:
            self.values -= len(record.data)
        else:
            self.pictures -= len(record.data)
        if min(self.rows, self.pictures, self.values) < 0:
            raise FormatRefused(
                f"{shard} and those before it hold more rows than they may",
                why=f"{MOST_ROWS} rows, {RATIO} times the files' bytes of pictures, {VALUES_RATIO} times of values, {MOST_VALUES_BYTES} of these",
                mend="several deliveries; pictures: `countermark convert`, and deliver the folder",
            )  # fmt: skip


def is_table(shard: str) -> bool:
    """Whether a file of a delivery of shards is a table, whose rows have numbers from 0 for keys."""
    return PurePosixPath(shard).suffix in TABLES


def is_values(path: str) -> bool:
    """Whether a path, as `contents` gives it, is that of a row of values; no picture's ends like this."""
    return path.endswith(f".{VALUES}")


def are_shards(tree: Tree) -> bool:
    """Whether every file of a tree is a table or shard directly in its folder."""
    return all(
        "/" not in e.path and PurePosixPath(e.path).suffix in (SHARD, *TABLES) and e.path not in METADATA
        for e in tree.entries
    )


def contents(root: Path, tree: Tree, reader: Reader | None = None) -> Iterator[Inside]:
    """Every row of the shards of a folder, in the order of the files and then of the rows; one shard is in memory.

    Args:
        tree: what was signed; the bytes are compared with it before they are read. reader: of a caller who reads several folders, one
            after the other.

    Raises:
        TreeRefused: the folder holds something else, or a row has no name that a tree may hold. FormatRefused: a shard is
        malformed, ambiguous or over a limit, two rows would have one name, or there are none. MissingExtra: a table without pyarrow.
    """
    taken: set[str] = set()
    left = _Left(tree.total_bytes)
    with open_verified(root, tree) as handle, nullcontext(reader) if reader else Reader() as mine:
        for shard in tree.entries:
            for record in _records(shard.path, Memory(handle.view(shard.path)), mine):
                path = path_of(record, shard.path, several=len(tree.entries) > 1)
                left.take(shard.path, record)
                if folded(path) in taken:
                    raise FormatRefused(f"two records would be {path}", why=f"the second one is in {shard.path}")
                taken.add(folded(path))
                entry = TreeEntry(path, len(record.data), False, bytes_root(record.data))
                yield Inside(entry, record.label, record.data, shard.path, record.key)
            handle.forget(shard.path)
    if not taken:
        raise FormatRefused("there is not one record in these shards")


def describe(root: Path, tree: Tree) -> Dataset:
    """Rows by path -> label.

    Raises:
        As `contents`.
    """
    return dataset_of(contents(root, tree))


def dataset_of(rows: Iterable[Inside]) -> Dataset:
    """Rows that were read already, by path -> label."""
    return Dataset(LAYOUT, dict(sorted((row.entry.path, row.label) for row in rows)))


def read(
    shard: str, source: Source, field: str = FIELD, *, values: bool = False, reader: Reader | None = None
) -> Iterator[Record]:
    """Records of one shard or table, told by its name's ending.

    Args:
        values, reader: as `table_records.records`.

    Raises:
        FormatRefused, TreeRefused: malformed. MissingExtra: a table without pyarrow. ChildFailed: the child died on it.
    """
    try:
        if PurePosixPath(shard).suffix == SHARD:
            yield from records.webdataset(source, field)
        else:
            yield from table_records.records(source, field, values=values, reader=reader)
    except FormatRefused as error:
        raise FormatRefused(f"{shard}: {error.what}", why=error.why, mend=error.mend) from error


def path_of(record: Record, shard: str, *, several: bool) -> str:
    """The file that a record becomes. Keys are only unique within a shard, so its name goes before them where there are several.

    Raises:
        TreeRefused: it is no path that a tree may hold.
    """
    label, _, name = record.path.partition("/")
    path = f"{label}/{PurePosixPath(shard).stem}-{name}" if several else record.path
    check_path(path)
    return path


def _records(shard: str, source: Source, reader: Reader) -> Iterator[Record]:
    try:
        for record in read(shard, source, values=True, reader=reader):
            if len(record.label) > MAX_LABEL:
                raise FormatRefused(
                    f"{shard}: a class of {len(record.label)} characters", why=f"the limit is {MAX_LABEL}"
                )
            yield record
    except ChildFailed as error:  # at a gate, what a reader dies of is refused
        raise FormatRefused(f"{shard}: {error.what}", why=error.why) from error
