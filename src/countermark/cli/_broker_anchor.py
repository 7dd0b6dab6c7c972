"""`countermark broker anchor`: a broker's logs, tied to the project's ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Table
from countermark.cli._broker import HOME, broker
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.dsse import Envelope
    from countermark.lifecycle.desk import Desk
    from countermark.statement.predicates.broker_heads import BrokerHeads


@command("anchor", group=broker, examples=[
    "countermark broker anchor --out vault-heads.json",
    "countermark broker anchor --after vault-heads.json --out vault-heads-2.json",
])  # fmt: skip
@click.option("--after", type=PATH, metavar="FILE", help="The statement before: the logs must lead on from it.")
@click.option("--out", type=PATH, required=True, metavar="FILE", help="The statement.")
@HOME
@with_desk
def anchor(after: Path | None, out: Path, home: Path, desk: Desk) -> Answer:
    """State the signed heads of a broker's logs to the project, as a party of it; the broker may run.

    The keeper of the ledger enters it at once; others hand it to him (`countermark ledger add`). A log that was cut or rewritten since
    the statement before is refused here; those that the ledger in this workspace holds are compared without --after. Whoever holds the
    broker's key and leaves them out is found by comparing the statements and the log's tiles. Between two of them nothing is tied: run it often.
    """
    from countermark.broker import heads
    from countermark.broker.home import Home
    from countermark.statement.predicates.broker_heads import BROKER_HEADS, BrokerHeads
    from countermark.statement.statement import EVERYBODY, Statement

    made = Home.open(home)
    before, held = _before(desk, after) if after else None, heads.farthest(_entered_before(desk), made.log_key().vkey())
    if held is not None:
        heads.grown(made, held)
    found = heads.grown(made, before or held)
    said = BrokerHeads(desk.context(EVERYBODY), made.log_key().vkey(), {one.log: one.note for one in found})
    heads.verified(said)
    envelope = desk.sign(Statement("broker", desk.mark().fingerprint, BROKER_HEADS, said.to_json()))
    desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    entry = _entered(desk, envelope)
    where = (
        f"entry {entry} of the ledger"
        if entry is not None
        else f"hand {out.name} to the ledger's keeper: `countermark ledger add`"
    )
    return Answer(
        f"stated: {', '.join(f'{one.now} entries in {one.log}' for one in found)}; {where}",
        facts={"file": str(out), "statement": envelope.digest, "entry": entry, "logs": {one.log: one.now for one in found}},
        body=[Table(("log", "before", "now"), [(one.log, str(one.before), str(one.now)) for one in found])],
    )  # fmt: skip


def _before(desk: Desk, file: Path) -> BrokerHeads:
    from countermark.errors import StatementRefused
    from countermark.lifecycle.desk import read_envelope
    from countermark.statement.predicates.broker_heads import BROKER_HEADS, BrokerHeads
    from countermark.statement.statement import Statement

    envelope = read_envelope(file)
    desk.verify(desk.trust(), envelope)
    said = Statement.from_bytes(envelope.statement_bytes(), what=file.name)
    if said.predicate_type != BROKER_HEADS:
        raise StatementRefused(f"{file.name} states no heads of a broker", why=said.predicate_type)
    return BrokerHeads.from_json(said.predicate)


def _entered_before(desk: Desk) -> list[BrokerHeads]:
    """What the ledger in this workspace holds of brokers' heads."""
    from countermark.lifecycle import book, entitled
    from countermark.statement.predicates.broker_heads import BROKER_HEADS, BrokerHeads

    shown = entitled.standing(book.entered(desk, BROKER_HEADS), desk.trust(), desk.now())
    return [BrokerHeads.from_json(one.statement.predicate) for one in shown]


def _entered(desk: Desk, envelope: Envelope) -> int | None:
    """Its entry, where this party keeps the ledger."""
    from countermark.lifecycle import book

    trust = desk.trust()
    if trust.document.ledger_operator != desk.party:
        return None
    (slip,) = book.enter(desk, trust, [envelope])
    return slip.index()
