"""Folders whose rows lie inside tables and shards: the same rows that `countermark convert` would write as files.

Nothing that such a file declares is believed. It is read from private memory once it was compared with what was signed,
and what comes out of it is counted against what went in: pictures are compressed already.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from countermark.artefact import records, table_records
from countermark.artefact.dataset import MAX_LABEL, METADATA, Dataset
from countermark.artefact.handle import open_verified
from countermark.artefact.records import Record
from countermark.artefact.rows import SHARD, TABLES
from countermark.artefact.tree import Tree, TreeEntry, bytes_root, check_path, folded
from countermark.errors import FormatRefused
from countermark.formats.source import Memory
from countermark.sandbox.limits import ChildFailed
from countermark.sandbox.task import Source

LAYOUT = "shards"
FIELD = "label"
MOST_ROWS = 1_000_000
RATIO, SLACK_BYTES = 4, 64 << 20


class Inside(NamedTuple):
    """A row inside a shard: the file that it would be, its class, and its bytes."""

    entry: TreeEntry
    label: str
    data: bytes


def are_shards(tree: Tree) -> bool:
    """Whether every file of a tree is a table or shard directly in its folder."""
    return all(
        "/" not in e.path and PurePosixPath(e.path).suffix in (SHARD, *TABLES) and e.path not in METADATA
        for e in tree.entries
    )


def contents(root: Path, tree: Tree) -> Iterator[Inside]:
    """Every row of the shards of a folder, in the order of the files and then of the rows; one shard is in memory.

    Args:
        tree: what was signed; the bytes are compared with it before they are read.

    Raises:
        TreeRefused: the folder holds something else, or a row has no name that a tree may hold. FormatRefused: a shard is
        malformed, ambiguous or over a limit, two rows would have one name, or there are none. MissingExtra: a table without pyarrow.
    """
    taken: set[str] = set()
    left = RATIO * tree.total_bytes + SLACK_BYTES
    with open_verified(root, tree) as handle:
        for shard in tree.entries:
            for record in _records(shard.path, Memory(handle.view(shard.path))):
                path = path_of(record, shard.path, several=len(tree.entries) > 1)
                left -= len(record.data)
                if left < 0 or len(taken) >= MOST_ROWS:
                    raise FormatRefused(f"{shard.path} and those before it hold more rows than they may",
                                        why=f"{MOST_ROWS} rows, {RATIO} times the files' bytes", mend="`countermark convert`, and deliver the folder")  # fmt: skip
                if folded(path) in taken:
                    raise FormatRefused(f"two records would be {path}", why=f"the second one is in {shard.path}")
                taken.add(folded(path))
                yield Inside(
                    TreeEntry(path, len(record.data), False, bytes_root(record.data)), record.label, record.data
                )
            handle.forget(shard.path)
    if not taken:
        raise FormatRefused("there is not one record in these shards")


def describe(root: Path, tree: Tree) -> Dataset:
    """Rows by path -> label.

    Raises:
        As `contents`.
    """
    return Dataset(LAYOUT, dict(sorted((row.entry.path, row.label) for row in contents(root, tree))))


def read(shard: str, source: Source, field: str = FIELD) -> Iterator[Record]:
    """Records of one shard or table, told by its name's ending.

    Raises:
        FormatRefused, TreeRefused: malformed. MissingExtra: a table without pyarrow. ChildFailed: the child died on it.
    """
    of = records.webdataset if PurePosixPath(shard).suffix == SHARD else table_records.records
    try:
        yield from of(source, field)
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


def _records(shard: str, source: Source) -> Iterator[Record]:
    try:
        for record in read(shard, source):
            if len(record.label) > MAX_LABEL:
                raise FormatRefused(
                    f"{shard}: a class of {len(record.label)} characters", why=f"the limit is {MAX_LABEL}"
                )
            yield record
    except ChildFailed as error:  # at a gate, what a reader dies of is refused
        raise FormatRefused(f"{shard}: {error.what}", why=error.why) from error
