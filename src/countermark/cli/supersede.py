"""`countermark supersede`: a signed statement in the ledger that a newer release replaces an older one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("supersede", examples=["countermark supersede model-1 model-2 --snapshot revocations.json"])
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--reason", default="replaced by a newer release", show_default=True, metavar="TEXT")
@click.option("--snapshot", type=PATH, metavar="FILE", help="Write the owners' new revocation snapshot here at once.")
@with_desk
def supersede(old: str, new: str, reason: str, snapshot: Path | None, desk: Desk) -> Answer:
    """Sign and enter that the release NEW replaces OLD, which no longer counts.

    Each is a model, its passport, or a verdict's statement or entry. Relying parties refuse OLD as soon as they have
    the owners' next snapshot.
    """
    from countermark.cli.revoke import withdrawn
    from countermark.lifecycle import withdraw

    slips, newer = withdraw.find(desk, old), withdraw.find(desk, new)
    return withdrawn(desk, slips, withdraw.withdraw(desk, slips, reason, newer[-1]), snapshot)
