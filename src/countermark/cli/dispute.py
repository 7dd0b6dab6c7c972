"""`countermark dispute`: a supplier's signed answer to a letter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FINE, Answer
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("dispute", examples=[
    "countermark dispute acme-3f9a12c0.json --says 'a second lot, drawing 4711 rev. B' --out dispute.json",
    "countermark dispute acme-3f9a12c0.json screws/004.png --says 'looked at: a screw' --out dispute.json",
])  # fmt: skip
@click.argument("letter", type=PATH)
@click.argument("rows", nargs=-1)
@click.option("--says", metavar="TEXT", required=True, help="Why the rows are right, for the people who decide.")
@click.option("--out", type=PATH, metavar="FILE", required=True, help="Where the signed answer is written.")
@with_desk
def dispute(letter: Path, rows: tuple[str, ...], says: str, out: Path, desk: Desk) -> Answer:
    """Answer a letter: these rows are right as delivered.

    Signed, about all rows of the LETTER or these ROWS. Send the file back; the data owner enters it with `countermark ledger add`, sees it in `countermark review`, and decides.
    """
    from countermark.lifecycle import letters
    from countermark.statement.predicates.dispute import Dispute
    from countermark.statement.statement import Statement

    envelope = letters.dispute(desk, letter, rows, says)
    desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    said = Dispute.from_json(Statement.from_bytes(envelope.payload).predicate)
    return Answer(
        f"{len(said.rows)} rows disputed; signed: {out}", FINE,
        {"letter": said.letter, "delivery": said.delivery, "rows": list(said.rows), "says": said.says, "written": str(out)},
        list(said.rows),
    )  # fmt: skip
