"""`countermark approve`: a reviewer who is not the trainer approves a model and its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("approve", examples=["countermark approve model --note 'inspection and trials read'"])
@click.argument("model", type=PATH)
@click.option("--training", type=PATH, metavar="FILE", help="The training statement (default: MODEL.training.json).")
@click.option("--note", required=True, metavar="TEXT", help="What was looked at.")
@click.option("--out", type=PATH, metavar="FILE", default=Path("approval.json"), show_default=True)
@with_desk
def approve(model: Path, training: Path | None, note: str, out: Path, desk: Desk) -> Answer:
    """Approve a model and its training, as a reviewer who is not the trainer."""
    from countermark.lifecycle import acts
    from countermark.lifecycle.desk import read_envelope
    from countermark.lifecycle.train import beside

    envelope = acts.approve(desk, model, read_envelope(training or beside(model)), note)
    desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    return Answer(
        f"approved by {desk.party}: hand {out} to the ledger's keeper",
        facts={"party": desk.party, "file": str(out), "statement": envelope.digest, "note": note},
    )
