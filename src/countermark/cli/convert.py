"""`countermark convert`: shards of records into a folder that can be delivered."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Table
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, count


@command("convert", examples=[
    "countermark convert shards/ photos",
    "countermark convert train-0000.tar photos --field class",
    "countermark convert train.parquet photos",
    "countermark convert train.arrow photos --field class",
])  # fmt: skip
@click.argument("source", type=PATH)
@click.argument("folder", type=PATH)
@click.option("--field", default="label", show_default=True, metavar="NAME",
              help="JSON member or column of a table that holds the class.")  # fmt: skip
@with_view
def convert(source: Path, folder: Path, field: str, view: View) -> Answer:
    """Write WebDataset shards (.tar), Parquet or Arrow tables as one folder per class.

    SOURCE is one of these or a folder of nothing else; FOLDER must not exist. Needs no workspace; tables need the extra
    `datasets`.
    """
    from countermark.lifecycle import convert as stage

    with Bar(view) as bar:
        done = stage.convert(source, folder, field=field, progress=bar.files)
    return Answer(
        f"written: {count(done.rows, 'row')} of {len(done.classes)} classes from {count(done.shards, 'shard')}",
        facts={"folder": str(folder), "rows": done.rows, "classes": done.classes, "shards": done.shards},
        body=[Table(("class", "rows"), list(done.classes.items()))],
    )
