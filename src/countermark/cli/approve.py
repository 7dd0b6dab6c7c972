"""``countermark approve``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options


@click.command("approve")
@click.argument("model", type=EXISTING)
@click.option("--training", type=EXISTING, help="Training statement; default: MODEL.training.json.")
@click.option("--note", required=True, help="What was looked at.")
@click.option("--out", type=FOLDER, default=Path("approval.json"), show_default=True)
@desk_options
def command(
    model: Path, training: Path | None, note: str, out: Path, workspace: Path | None, passphrase_file: Path | None
) -> None:
    """Approve a model and its training, as a reviewer who is not the trainer.

    \b
    Example:
      countermark approve model --note 'inspection and trials read'
    """
    from countermark.compose import desk
    from countermark.lifecycle import acts
    from countermark.lifecycle.desk import read_envelope
    from countermark.lifecycle.train import beside

    envelope = acts.approve(desk(workspace, passphrase_file), model, read_envelope(training or beside(model)), note)
    out.write_bytes(envelope.to_bytes())
    show.verdict(f"approved; hand {out} to the ledger's keeper", good=True)
