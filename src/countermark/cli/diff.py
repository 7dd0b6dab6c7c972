"""`countermark diff`: what changed between two deliveries, row by row; needs no workspace."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FINE, FOUND, Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, count

if TYPE_CHECKING:
    from countermark.lifecycle.compare import Differences

SHOWN = 20


@command("diff", examples=[
    "countermark diff photos-march.cmdelivery photos",
    "countermark diff old.cmdelivery new.cmdelivery --csv changes.csv",
])  # fmt: skip
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@click.option(
    "--most", type=click.IntRange(0), default=1000, show_default=True, help="Changes to list; all are counted."
)
@click.option("--csv", "table", type=PATH, metavar="FILE", help="Write the listed changes as a table.")
@with_view
def diff(old: Path, new: Path, most: int, table: Path | None, view: View) -> Answer:
    """Compare two deliveries: rows added, removed, changed, moved, or put into another class.

    OLD and NEW are folders, or .cmdelivery files, which stand for folders that need not be here. Classes are those of folders: what
    metadata.csv says of a row is compared as that file alone. 0: they are alike; 1: they differ. Whoever signed a delivery file is
    told by `countermark verify`.
    """
    from countermark.lifecycle import compare

    with (
        Bar(view) as bar,
        compare.listed(old, bar.files) as (before, left),
        compare.listed(new, bar.files) as (now, right),
    ):
        seen = compare.compare(left, right, most=most)
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


def _write(file: Path, seen: Differences) -> None:
    from io import StringIO

    from countermark.lifecycle.review import plain_cell
    from countermark.workspace.disk import Disk

    text = StringIO()
    out = csv.writer(text)
    out.writerow(("change", "before", "now"))
    out.writerows(tuple(plain_cell(cell) for cell in (c.kind, c.before, c.now)) for c in seen.changes)
    Disk().write(file, text.getvalue().encode(), mode=0o644)
