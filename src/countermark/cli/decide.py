"""``countermark decide``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import desk_options


@click.command("decide")
@click.argument("rows", nargs=-1, required=True)
@click.option("--accept", "action", flag_value="accept", help="Let the rows through; a policy wants a waiver for that.")
@click.option("--reject", "action", flag_value="reject", help="Leave the rows out for good.")
@click.option("--undo", "action", flag_value="undo", help="Take the newest decision back.")
@click.option("--relabel", metavar="CLASS", help="Give the rows another class.")
@desk_options
def command(rows: tuple[str, ...], action: str | None, relabel: str | None, workspace: Path | None,
            passphrase_file: Path | None) -> None:  # fmt: skip
    """Decide about rows as the contact sheet names them; every decision is signed, and can be undone.

    \b
    Examples:
      countermark decide 1f2e3d4c5b6a/screws/004.png --relabel nuts
      countermark decide 1f2e3d4c5b6a/screws/004.png --undo
    """
    from countermark.compose import desk
    from countermark.errors import Unusable
    from countermark.lifecycle import review
    from countermark.lifecycle import rows as keeping

    if (action is None) == (relabel is None):
        raise Unusable("one decision is needed", mend="--accept, --reject, --undo or --relabel CLASS")
    me = desk(workspace, passphrase_file)
    slip, _ = review.newest_screening(me)
    keeping.decide(me, rows, action or "relabel", label=relabel, dataset=review.subject(slip))
    show.verdict(f"{action or f'relabel to {relabel}'}: {len(rows)} rows", good=True)
