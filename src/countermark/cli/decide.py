"""`countermark decide`: what a person makes of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer
from countermark.cli._command import command, with_desk
from countermark.cli._show import count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("decide", examples=[
    "countermark decide 1f2e3d4c5b6a/screws/004.png --relabel nuts",
    "countermark decide 1f2e3d4c5b6a/screws/004.png --undo",
])  # fmt: skip
@click.argument("rows", nargs=-1, required=True)
@click.option("--accept", "action", flag_value="accept", help="Let the rows through; the policy wants a waiver for it.")
@click.option("--reject", "action", flag_value="reject", help="Leave the rows out.")
@click.option("--undo", "action", flag_value="undo", help="Take the newest decision about the rows back.")
@click.option("--relabel", metavar="CLASS", help="Give the rows another class.")
@with_desk
def decide(rows: tuple[str, ...], action: str | None, relabel: str | None, desk: Desk) -> Answer:
    """Decide about rows, named as the contact sheet names them; every decision is signed, logged and can be undone."""
    from countermark.lifecycle import review
    from countermark.lifecycle import rows as keeping

    if (action is None) == (relabel is None):
        raise Unusable("one decision is needed", mend="--accept, --relabel CLASS, --reject or --undo")
    slip, _ = review.newest_screening(desk)
    keeping.must_exist(desk, rows, relabel)
    done = keeping.decide(desk, rows, action or "relabel", label=relabel, dataset=review.subject(slip))
    told = action or f"relabel to {relabel}"
    return Answer(f"decided: {told}, {count(len(rows), 'row')}",
                  facts={"rows": sorted(rows), "action": action or "relabel", "label": relabel,
                         "statement": done.envelope.digest})  # fmt: skip
