"""`countermark convert`: shards of records into a folder that can be delivered, checkpoints into safetensors."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, count

SAFETENSORS = ".safetensors"


@command("convert", examples=[
    "countermark convert shards/ photos",
    "countermark convert train-0000.tar photos --field class",
    "countermark convert train.parquet photos",
    "countermark convert train.arrow photos --field class",
    "countermark convert weights.pt weights.safetensors",
    "countermark convert checkpoint.ckpt weights.safetensors --tensors-only",
])  # fmt: skip
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option("--field", default="label", show_default=True, metavar="NAME",
              help="JSON member or column of a table that holds the class.")  # fmt: skip
@click.option("--tensors-only", is_flag=True, help="Leave out what of a checkpoint is no tensor.")
@with_view
def convert(source: Path, target: Path, field: str, tensors_only: bool, view: View) -> Answer:
    """Write WebDataset shards (.tar), Parquet or Arrow tables as one folder per class; or a checkpoint as safetensors.

    SOURCE is one of these or a folder of nothing else; TARGET must not exist. Needs no workspace; tables need the extra
    `datasets`. Where TARGET ends in .safetensors, SOURCE is a checkpoint of torch (.pt, .pth, .ckpt, .bin) that
    `countermark inspect` finds proven: its tensors are copied byte for byte, and nothing is unpickled.
    """
    if target.suffix == SAFETENSORS:
        return _checkpoint(source, target, tensors_only, view)
    from countermark.lifecycle import convert as stage

    with Bar(view) as bar:
        done = stage.convert(source, target, field=field, progress=bar.files)
    return Answer(
        f"written: {count(done.rows, 'row')} of {len(done.classes)} classes from {count(done.shards, 'shard')}",
        facts={"folder": str(target), "rows": done.rows, "classes": done.classes, "shards": done.shards},
        body=[Table(("class", "rows"), list(done.classes.items()))],
    )


def _checkpoint(source: Path, target: Path, tensors_only: bool, view: View) -> Answer:
    from countermark.lifecycle.tensors import to_safetensors

    with Bar(view) as bar:
        done = to_safetensors(
            source, target, tensors_only=tensors_only, progress=lambda n, size: bar.tick("bytes", size)
        )
    return Answer(
        f"written: {count(done.tensors, 'tensor')}, {done.size:,} bytes, to {target.name}",
        facts={"file": str(target), "tensors": done.tensors, "bytes": done.size, "left_out": list(done.left)},
        body=[Pairs([("left out", name) for name in done.left])] if done.left else [],
    )
