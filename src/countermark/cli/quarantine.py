"""``countermark quarantine``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import desk_options, json_option


@click.command("quarantine")
@click.argument("rows", nargs=-1)
@click.option("--from-screening", is_flag=True, help="All rows that the newest screening flagged.")
@click.option("--reason", default="screening", show_default=True)
@desk_options
@json_option
def command(rows: tuple[str, ...], from_screening: bool, reason: str, workspace: Path | None, passphrase_file: Path | None,
            as_json: bool) -> None:  # fmt: skip
    """Set rows of the training data aside by a signed statement; no training sees them.

    \b
    Examples:
      countermark quarantine --from-screening
      countermark quarantine 1f2e3d4c5b6a/screws/004.png --reason 'blurred'
    """
    from countermark.compose import desk
    from countermark.lifecycle import review
    from countermark.lifecycle import rows as keeping

    me = desk(workspace, passphrase_file)
    slip, said = review.newest_screening(me)
    chosen = [*rows, *(said.facts.get("flagged", []) if from_screening else [])]
    dataset = review.subject(slip)
    keeping.quarantine(
        me, chosen, reason=reason, screening=slip.envelope.digest if from_screening else None, dataset=dataset
    )
    if as_json:
        show.as_json({"rows": sorted(set(chosen))})
        return
    show.verdict(f"{len(set(chosen))} rows are set aside; `countermark decide` brings one back", good=True)
