"""The group `countermark license`, and what its commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH

if TYPE_CHECKING:
    from countermark.dsse import Envelope
    from countermark.lifecycle.desk import Desk

FELT = "revocation felt after"
OUT = click.option("--out", type=PATH, required=True, metavar="FILE", help="Where it is written.")


@click.group("license")
def licences() -> None:
    """Grant, narrow, explain, revoke and move licences."""


def written(desk: Desk, envelopes: tuple[Envelope, ...], out: Path, done: str) -> Answer:
    """Write a licence file, and the licensor's list beside it where it asks for one."""
    from countermark.licence import claim_words
    from countermark.licence.chain import to_file
    from countermark.licence.describe import delays, denied, protection
    from countermark.lifecycle import license_lists
    from countermark.statement.predicates.licence import Licence
    from countermark.statement.predicates.licence_claims import Revocation
    from countermark.statement.statement import Statement

    desk.space.disk.write(out, to_file(envelopes), mode=0o644)
    claims = Licence.from_json(Statement.from_bytes(envelopes[-1].payload).predicate).claims
    newest = license_lists.newest_list(desk)
    if isinstance(claims.revocation, Revocation) and newest is not None and len(envelopes) == 1:
        desk.space.disk.write(out.with_name(out.name + ".revoked"), newest[0], mode=0o644)
    signed = {s.keyid for s in envelopes[-1].signatures}
    missing = claims.co_signers - {p.id for p in desk.trust().document.parties for k in p.keys if k.key.id in signed}
    rows = [
        ("licence", envelopes[-1].digest), ("subject", claim_words.said("subject", claims.subject)),
        ("counts", f"from {claims.not_before} until {claims.not_after}"), ("protection", protection(claims)),
        *((FELT, f"{name}: {text}") for name, text in delays(claims)),
        ("denied, because not named", ", ".join(denied(claims)) or "nothing"),
    ]  # fmt: skip
    words = f"; it counts once {', '.join(sorted(missing))} signed too" if missing else ""
    return Answer(f"{done}: {out.name} for {claims.licensee.party}{words}",
                  facts={"licence": envelopes[-1].digest, "file": str(out), "claims": claims.to_json(), "awaits": sorted(missing)},
                  body=[Pairs(rows)])  # fmt: skip
