"""`countermark fingerprint shard`: the signs of some weights kept back. Research, labelled so wherever it shows."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command
from countermark.cli._show import count

RESEARCH = (
    "Research, no protection: on the two kinds of network that were measured (perceptron and convnet) a thief without the shard, by zeroing what could be turned and a little training,"
    " stays far ahead of training from nothing. To keep a model from whoever has the file, seal it."
)


@click.group()
def shard() -> None:
    """Keep back the signs of some weights (research, no protection)."""


@command("split", group=shard, examples=[
    "countermark fingerprint shard split model.safetensors --shipped shipped.safetensors --shard model.shard --share 0.05",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--shipped", type=PATH, required=True, metavar="FILE", help="Model to write, with signs turned.")
@click.option("--shard", "out", type=PATH, required=True, metavar="FILE", help="Shard to write, mode 0600.")
@click.option("--share", type=click.FloatRange(0.02, 0.05), default=0.05, show_default=True,
              help="Weights of each large layer that are turned.")  # fmt: skip
def split(model: Path, shipped: Path, out: Path, share: float) -> Answer:
    """Write MODEL with a secret half of its largest weights' signs turned, and a shard that says which.

    RESEARCH, no protection: see what was measured in docs/explanation/tracing.md before you rely on it.
    """
    from countermark.lifecycle.shard import split as stage

    done = stage(model, shipped, out, share)
    facts = {"shipped": str(shipped), "shard": str(out), "tensors": done.tensors, "weights": done.weights,
             "shard_bytes": done.shard_bytes, "shipped_sha256": done.shipped, "research": True}  # fmt: skip
    return Answer(
        f"written: {shipped} and {out} (research, no protection)", facts=facts,
        body=[Pairs([("turned", f"{done.weights:,} weights in {count(done.tensors, 'tensor')}"),
                     ("shard", f"{done.shard_bytes:,} bytes")]), RESEARCH],
    )  # fmt: skip


@command("join", group=shard, examples=[
    "countermark fingerprint shard join shipped.safetensors --shard model.shard --out model.safetensors",
])  # fmt: skip
@click.argument("shipped", type=PATH)
@click.option("--shard", "file", type=PATH, required=True, metavar="FILE", help="Its shard.")
@click.option("--out", type=PATH, required=True, metavar="FILE", help="Model to write.")
def join(shipped: Path, file: Path, out: Path) -> Answer:
    """Write the model as it was, to the bit; refused where shard and file are not of one delivery."""
    from countermark.lifecycle.shard import join as stage

    return Answer(f"written: {out}, as it was", facts={"file": str(out), "sha256": stage(shipped, file, out)})
