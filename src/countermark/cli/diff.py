"""`countermark diff`: what changed between two deliveries, row by row; needs no workspace."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FINE, FOUND, Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._rows import compared, means_rows
from countermark.cli._show import View, count

if TYPE_CHECKING:
    from countermark.lifecycle.compare import Differences

SHOWN = 20


@command("diff", examples=[
    "countermark diff photos-march.cmdelivery photos",
    "countermark diff old.cmdelivery new.cmdelivery --csv changes.csv",
    "countermark diff march.parquet april.parquet --id key",
])  # fmt: skip
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@click.option(
    "--most", type=click.IntRange(0), default=1000, show_default=True, help="Changes to list; all are counted."
)
@click.option("--csv", "table", type=PATH, metavar="FILE", help="Write the listed changes as a table.")
@click.option("--rows", "inside", is_flag=True, help="Compare the rows inside two folders of tables or shards.")
@click.option("--id", "column", metavar="COLUMN", help="Column that names rows inside tables; __key__ for shards.")
@with_view
def diff(
    old: Path, new: Path, most: int, table: Path | None, inside: bool, column: str | None, view: View
) -> Answer:  # fmt: skip
    """Compare two deliveries: rows added, removed, changed, moved, or put into another class.

    OLD and NEW are folders, or .cmdelivery files, which stand for folders that need not be here. Classes are those of folders: what
    metadata.csv says of a row is compared as that file alone. 0: they are alike; 1: they differ. Whoever signed a delivery file is
    told by `countermark verify`.

    Parquet and Arrow files, WebDataset shards and lists of rows (.cmrows, by `countermark digest --rows --write`) are compared
    by the rows inside; so are, with --rows, folders of these. Without --id a row of a table is named by its place, and
    one that is put in before others changes them all.
    """
    from countermark.lifecycle import compare

    if inside or means_rows(old, new):
        before, now, seen = compared(old, new, column, most, view)
    elif column is not None:
        raise click.UsageError("--id goes with tables, shards, lists of rows, or --rows")
    else:
        before, now, seen = _files(old, new, most, view)
    if table is not None:
        _write(table, seen)
    facts = {
        "before": before, "now": now, "same": seen.same, "counts": dict(seen.counts), "unpaired": seen.unpaired,
        "classes": {label: dict(counts) for label, counts in seen.by_label.items()},
        "changes": [{"kind": c.kind, "before": c.before, "now": c.now} for c in seen.changes],
    }  # fmt: skip
    told = ", ".join(f"{seen.counts[kind]} {kind}" for kind in compare.KINDS if seen.counts[kind])
    if not told:
        return Answer(f"alike: {count(seen.same, 'row')}", FINE, facts)
    rows = [
        (label or "-", *(counts[kind] for kind in compare.KINDS)) for label, counts in sorted(seen.by_label.items())
    ]
    first = [(c.kind, c.before, c.now) for c in seen.changes[:SHOWN]]
    notes = (
        ["too many rows are on one side only: moves were not told from losses for all of them"] if seen.unpaired else []
    )
    body = [Table(("class", *compare.KINDS), rows), "", Table(("change", "before", "now"), first), *notes,
            Pairs([("before", before), ("now", now)])]  # fmt: skip
    return Answer(f"{told}; {seen.same} as they were", FOUND, facts, body)


def _files(old: Path, new: Path, most: int, view: View) -> tuple[str, str, Differences]:
    from countermark.lifecycle import compare

    with (
        Bar(view) as bar,
        compare.listed(old, bar.files) as (before, left),
        compare.listed(new, bar.files) as (now, right),
    ):
        return before, now, compare.compare(left, right, most=most)


def _write(file: Path, seen: Differences) -> None:
    from io import StringIO

    from countermark.lifecycle.review import plain_cell
    from countermark.workspace.disk import Disk

    text = StringIO()
    out = csv.writer(text)
    out.writerow(("change", "before", "now"))
    out.writerows(tuple(plain_cell(cell) for cell in (c.kind, c.before, c.now)) for c in seen.changes)
    Disk().write(file, text.getvalue().encode(), mode=0o644)
