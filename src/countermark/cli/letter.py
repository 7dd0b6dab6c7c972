"""`countermark letter`: read a signed letter about one's own rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FOUND, Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("letter", examples=["countermark letter acme-3f9a12c0.json"])
@click.argument("file", type=PATH)
@with_desk
def letter(file: Path, desk: Desk) -> Answer:
    """Read a letter that a data owner signed about rows that this party delivered.

    The signature, the project and the addressee are verified first. (`countermark review --letters` writes letters,
    `countermark dispute` answers one; a corrected folder is delivered with `countermark deliver --replace`.)
    """
    from countermark.lifecycle import letters

    shown, said = letters.read(desk, file)
    return Answer(
        f"{shown.party.id} asks about {len(said.rows)} rows; signature verified", FOUND,
        {"from": shown.party.id, "delivery": said.delivery, "asks": said.asks,
         "rows": [{"path": path, "seen": seen} for path, seen in said.rows]},
        [Table(("path", "seen"), said.rows), "", Pairs([("delivery", said.delivery[:16]), ("asks", said.asks)])],
    )  # fmt: skip
