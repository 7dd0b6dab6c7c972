"""`countermark disclose`: opens one salted leaf of the ledger to one auditor, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("disclose", examples=["countermark disclose 3f9a12c0 --out entry.slip.json"])
@click.argument("which", metavar="STATEMENT|ENTRY")
@click.option("--out", type=PATH, metavar="FILE", help="Where to write it (default: STATEMENT.slip.json).")
@with_desk
def disclose(which: str, out: Path | None, desk: Desk) -> Answer:
    """Open one entry of the ledger: write the statement, what its leaf commits to, and its proof, for one auditor.

    STATEMENT is the beginning (8 digits or more) of its digest; ENTRY its number, as `ledger show` prints them. The
    auditor reads the file with `countermark verify FILE`. Every other entry stays closed to whoever has it.
    """
    from countermark.cli.ledger import disclosed

    return disclosed(which, out, desk)
