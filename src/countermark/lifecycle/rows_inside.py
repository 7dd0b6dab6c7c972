"""Rows inside tables and shards: listing them, writing the list, and comparing two of them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from countermark.artefact import row_list, rows
from countermark.artefact.folder import Progress
from countermark.artefact.row_list import Heading
from countermark.artefact.tree import TreeEntry
from countermark.errors import Unusable
from countermark.lifecycle import compare
from countermark.lifecycle.compare import Differences
from countermark.workspace.disk import Disk

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of rows: what it comes to, and a file that stands at its first line."""

    heading: Heading
    lines: IO[bytes]


@contextmanager
def listed(source: Path, id_column: str | None = None, progress: Progress | None = None) -> Iterator[Listing]:
    """The rows of a table, a shard, a folder of these, or of a list of rows that was written before.

    Args:
        id_column: as `artefact.rows.rows`; a list brings its own.

    Raises:
        FormatRefused, StatementRefused, TreeRefused: malformed, or a list whose rows are not those it names.
        Unusable: unreadable. MissingExtra: a table without pyarrow.
    """
    if source.suffix == row_list.SUFFIX:
        with _opened(source) as file:
            yield Listing(row_list.check(file), file)
        return
    with tempfile.TemporaryFile() as out:
        heading = row_list.write(rows.rows(source, id_column, progress), out, id_column)
        out.seek(0)
        yield Listing(heading, out)


def _opened(source: Path) -> IO[bytes]:
    try:
        return source.open("rb")
    except OSError as error:
        raise Unusable(f"cannot read {source}", why=str(error)) from error


def write(file: Path, listing: Listing, disk: Disk | None = None) -> None:
    """Write a list of rows as a file of its own.

    Raises:
        Unusable: it cannot be written.
    """
    pieces = iter(lambda: listing.lines.read(_PIECE), b"")
    (disk or Disk()).pour(file, itertools.chain([listing.heading.line()], pieces), mode=0o644)


def differences(old: Listing, new: Listing, *, most: int = 1000) -> Differences:
    """Rows added, removed and changed, by id, in one pass; where rows are named by their place, also moved.

    Raises:
        Unusable: the rows of the two are named by different columns.
    """
    if old.heading.id != new.heading.id:
        raise Unusable(
            "the rows of these two are named differently",
            why=f"one by {old.heading.id or 'their place'}, one by {new.heading.id or 'their place'}",
            mend="name the same column with --id, or list both again",
        )
    paired = compare.MOST_PAIRED if old.heading.id is None else 0  # a named row holds its name: moved, it is another
    return compare.compare(_entries(old), _entries(new), most=most, paired=paired, label=lambda _id: "")


def _entries(listing: Listing) -> Iterator[TreeEntry]:
    return (TreeEntry(row_id, 0, False, digest) for row_id, digest in row_list.lines(listing.lines))
