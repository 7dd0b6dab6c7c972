"""What `digest` and `diff` say of the rows inside tables and shards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark.cli._answer import Answer, Pairs, Verbatim
from countermark.cli._progress import Bar
from countermark.cli._show import View

if TYPE_CHECKING:
    from countermark.lifecycle.compare import Differences
    from countermark.lifecycle.rows_inside import Listing


def of_rows(path: Path, column: str | None, file: Path | None, manifest: bool, view: View) -> Answer:
    """The root over the rows of a table, shard, folder of these, or list; the list itself where it is asked for."""
    from countermark.artefact import row_list
    from countermark.lifecycle import rows_inside

    printed = manifest and (view.json or not view.quiet)
    with contextlib.ExitStack() as held:
        with Bar(view) as bar:
            listing = held.enter_context(rows_inside.listed(path, column, bar.files))
        begin = listing.lines.tell()
        if file is not None:
            rows_inside.write(file, listing)
            listing.lines.seek(begin)
        head = listing.heading
        facts: dict[str, Any] = {"root": head.root, "rows": head.rows, "id": head.id}
        if printed and view.json:
            facts["manifest"] = [[row.id, row.digest.hex()] for row in row_list.lines(listing.lines)]
        lines = _lines(listing, held.pop_all()) if printed and not view.json else ()
    body = [Verbatim(lines), Pairs([("rows", head.rows), ("named by", head.id or "their place")])]
    return Answer(head.root, facts=facts, body=body)


def _lines(listing: Listing, held: contextlib.ExitStack) -> Iterator[str]:
    with held:
        for line in listing.lines:
            yield line.decode().rstrip("\n")


def means_rows(*paths: Path) -> bool:
    """Whether one of these is a table, a shard or a list of rows."""
    from countermark.artefact import row_list, rows

    return any(rows.is_table(path) or path.suffix == row_list.SUFFIX for path in paths)


def compared(old: Path, new: Path, column: str | None, most: int, view: View) -> tuple[str, str, Differences]:
    """Root of both sides, and what differs between their rows."""
    from countermark.lifecycle import rows_inside

    with (
        Bar(view) as bar,
        rows_inside.listed(old, column, bar.files) as before,
        rows_inside.listed(new, column, bar.files) as now,
    ):
        return before.heading.root, now.heading.root, rows_inside.differences(before, now, most=most)
