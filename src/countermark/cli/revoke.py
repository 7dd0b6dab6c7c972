"""`countermark revoke`: a signed statement in the ledger that another one no longer counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.dsse import Envelope
    from countermark.lifecycle.desk import Desk
    from countermark.passport.slip import Slip


@command("revoke", examples=[
    "countermark revoke model --reason 'backdoor found' --snapshot revocations.json",
    "countermark revoke 118 --reason 'delivered by mistake'",
    "countermark revoke photos --reason 'the wrong camera' --out withdrawal.json",
])  # fmt: skip
@click.argument("which", metavar="MODEL|PASSPORT|STATEMENT|ENTRY|DELIVERY")
@click.option("--reason", required=True, metavar="TEXT", help="For every reader.")
@click.option("--snapshot", type=PATH, metavar="FILE", help="Write the owners' new revocation snapshot here at once.")
@click.option(
    "--out", type=PATH, metavar="FILE", help="For a supplier: withdraw the delivered folder DELIVERY by a file."
)
@with_desk
def revoke(which: str, reason: str, snapshot: Path | None, out: Path | None, desk: Desk) -> Answer:
    """Sign and enter that a statement, or every verdict that admits a model, no longer counts.

    Releases leave it out from now on. Relying parties refuse what rests on it as soon as they have the owners' next
    snapshot (`trust snapshot`). A supplier signs a file with `--out`, which the ledger's keeper enters by `ledger add`. A
    party's keys are revoked with `party revoke`.
    """
    from countermark.lifecycle import withdraw

    if out is not None:
        return _asked(desk, withdraw.request(desk, Path(which), reason), out)
    slips = withdraw.find(desk, which)
    return withdrawn(desk, slips, withdraw.withdraw(desk, slips, reason), snapshot)


def _asked(desk: Desk, envelope: Envelope, out: Path) -> Answer:
    desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    return Answer(
        f"signed by {desk.party}: hand {out} to the ledger's keeper, who runs `countermark ledger add {out.name}`",
        facts={"party": desk.party, "file": str(out), "statement": envelope.digest},
    )


def withdrawn(desk: Desk, slips: list[Slip], done: list[Slip], snapshot: Path | None) -> Answer:
    """Tell what was withdrawn, and write the snapshot where one is wanted."""
    entries = [s.index() for s in slips]
    facts = {"entries": entries, "statements": [s.envelope.digest for s in done],
             "snapshot": str(snapshot) if snapshot else None}  # fmt: skip
    words = f"withdrawn: {count(len(entries), 'statement')} (entry {', '.join(map(str, entries))})"
    if snapshot is None:
        return Answer(f"{words}; relying parties learn it from `countermark trust snapshot FILE`", facts=facts)
    from countermark.lifecycle import acts

    desk.space.disk.write(snapshot, acts.snapshot(desk).to_bytes(), mode=0o644)
    return Answer(f"{words}; written: {snapshot}, hand it to relying parties", facts=facts)
