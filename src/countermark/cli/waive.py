"""``countermark waive``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options


@click.command("waive")
@click.argument("check")
@click.option("--model", type=EXISTING, required=True, help="The model it counts for; for no other.")
@click.option("--days", type=int, default=30, show_default=True, help="1 to 90.")
@click.option("--reason", required=True)
@click.option("--out", type=FOLDER, default=Path("waiver.json"), show_default=True)
@desk_options
def command(
    check: str, model: Path, days: int, reason: str, out: Path, workspace: Path | None, passphrase_file: Path | None
) -> None:
    """Accept, as a risk owner, that one check does not pass for one model. It shows in every report.

    \b
    Example:
      countermark waive training/hermetic --model model --days 14 --reason 'no bubblewrap on the cluster yet'
    """
    from countermark.artefact.folder import read_folder
    from countermark.compose import desk
    from countermark.lifecycle import acts

    envelope = acts.waive(desk(workspace, passphrase_file), read_folder(model).digest, check, days=days, reason=reason)
    out.write_bytes(envelope.to_bytes())
    show.verdict(f"waived for {days} days; hand {out} to the ledger's keeper", good=True)
