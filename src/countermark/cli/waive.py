"""`countermark waive`: a signed exception that ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("waive", examples=[
    "countermark waive training/hermetic --model model --days 14 --reason 'no bubblewrap on the cluster yet'",
])  # fmt: skip
@click.argument("check")
@click.option("--model", type=PATH, required=True, metavar="PATH", help="The model it counts for, and no other.")
@click.option("--days", type=click.IntRange(1, 90), default=30, show_default=True)
@click.option("--reason", required=True, metavar="TEXT", help="Shown in every report.")
@click.option("--policy", type=PATH, metavar="FILE", help="As for `release`: what can be waived stands there.")
@click.option("--out", type=PATH, metavar="FILE", default=Path("waiver.json"), show_default=True)
@with_desk
def waive(
    check: str, model: Path, days: int, reason: str, policy: Path | None, out: Path, desk: Desk
) -> Answer:  # fmt: skip
    """Accept, as a risk owner, that one check or rule does not hold for one model, for at most 90 days.

    CHECK is an id as `release --explain` lists it. Signatures, trust, trees, receipts and quorums cannot be waived.
    """
    from countermark.artefact.folder import read_folder
    from countermark.lifecycle import acts

    acts.must_be_waivable(compose.policy_of(desk, policy), check)
    subject = read_folder(model).digest
    envelope = acts.waive(desk, subject, check, days=days, reason=reason)
    desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    return Answer(
        f"waived: {check} for {days} days; hand {out} to the ledger's keeper",
        facts={"check": check, "subject": subject, "days": days, "reason": reason, "file": str(out),
               "statement": envelope.digest},
    )  # fmt: skip
