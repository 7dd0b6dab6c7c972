"""`countermark quarantine`: set rows of the training data aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer
from countermark.cli._command import command, with_desk
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("quarantine", examples=[
    "countermark quarantine --from-screening",
    "countermark quarantine 1f2e3d4c5b6a/screws/004.png --reason blurred",
])  # fmt: skip
@click.argument("rows", nargs=-1)
@click.option("--from-screening", is_flag=True, help="All rows that the newest screening flagged.")
@click.option("--reason", default="screening", show_default=True, metavar="TEXT")
@with_desk
def quarantine(rows: tuple[str, ...], from_screening: bool, reason: str, desk: Desk) -> Answer:
    """Set rows aside by a signed, logged statement; no training sees them. `countermark decide` brings one back."""
    from countermark.lifecycle import review
    from countermark.lifecycle import rows as keeping

    slip, said = review.newest_screening(desk)
    if rows:
        keeping.must_exist(desk, rows)
    chosen = sorted({*rows, *(said.facts.get("flagged", []) if from_screening else [])})
    screening = slip.envelope.digest if from_screening else None
    done = keeping.quarantine(desk, chosen, reason=reason, screening=screening, dataset=review.subject(slip))
    return Answer(
        f"set aside: {count(len(chosen), 'row')}",
        facts={"rows": chosen, "statement": done.envelope.digest, "reason": reason},
    )
