"""`countermark letter`: read a signed letter about one's own rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FOUND, Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_desk
from countermark.errors import StatementRefused

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("letter", examples=["countermark letter acme-3f9a12c0.json"])
@click.argument("file", type=PATH)
@with_desk
def letter(file: Path, desk: Desk) -> Answer:
    """Read a letter that a data owner signed about rows that this party delivered.

    The signature, the project and the addressee are verified first. (`countermark review --letters` writes letters.)
    """
    from countermark.lifecycle.desk import read_envelope
    from countermark.passport.slip import Slip, addressed_to, verify
    from countermark.statement.predicates.rows import LETTER, Letter

    shown = addressed_to(verify(Slip(read_envelope(file)), desk.trust(), desk.now(), logged=False), desk.party)
    if shown.statement.predicate_type != LETTER or "data-owner" not in shown.party.roles:
        raise StatementRefused(f"{file.name} is no letter of a data owner", why=shown.statement.predicate_type)
    said = Letter.from_json(shown.statement.predicate)
    return Answer(
        f"{shown.party.id} asks about {len(said.rows)} rows; signature verified", FOUND,
        {"from": shown.party.id, "delivery": said.delivery, "asks": said.asks,
         "rows": [{"path": path, "seen": seen} for path, seen in said.rows]},
        [Table(("path", "seen"), said.rows), "", Pairs([("delivery", said.delivery[:16]), ("asks", said.asks)])],
    )  # fmt: skip
