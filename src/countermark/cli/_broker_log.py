"""`countermark broker log`: what was released, and each owner's proofs of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Table
from countermark.cli._broker import HOME, broker
from countermark.cli._command import PATH, command
from countermark.cli._show import count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.broker.log import ReleaseLog


@command(
    "log",
    group=broker,
    examples=["countermark broker log", "countermark broker log --owner acme --proofs acme-releases"],
)
@click.option("--owner", help="Of this owner only.")
@click.option(
    "--proofs",
    type=PATH,
    metavar="DIR",
    help="Write each release of --owner as NUMBER.record and NUMBER.tlog-proof, for him.",
)
@HOME
def show_log(owner: str | None, proofs: Path | None, home: Path) -> Answer:
    """List what was released, oldest first; with proofs, which show nothing of other owners but hashes."""
    from countermark.broker.home import Home

    if proofs is not None and owner is None:
        raise Unusable("whose proofs is not said", mend="--owner OWNER")
    with Home.open(home).log() as log:
        if proofs is not None and owner is not None:
            _write_proofs(log, owner, proofs)
        entries = [entry for entry in log.records() if owner in (None, entry.owner)]
    rows = [(_time(e.at), e.owner, e.asset[:16], e.recipient, e.evidence, e.host[:16]) for e in entries]
    return Answer(count(len(rows), "release"), facts={"releases": [{n: getattr(e, n) for n in e.__slots__} for e in entries]},
                  body=[Table(("at", "owner", "asset", "for", "evidence", "host"), rows)])  # fmt: skip


def _write_proofs(log: ReleaseLog, owner: str, folder: Path) -> None:
    from countermark.workspace.disk import Disk

    disk = Disk()
    disk.folder(folder)
    for entry, receipt in log.of(owner):
        disk.write(folder / f"{receipt.index}.record", entry.to_bytes(), mode=0o644)
        disk.write(folder / f"{receipt.index}.tlog-proof", receipt.to_bytes(), mode=0o644)


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
