"""Giving a licence back and granting it anew: `countermark license move`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._license import OUT, licences, written
from countermark.cli._license_options import terms
from countermark.cli._license_terms import applied

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk


@command("move", group=licences, examples=[
    "countermark license move plant.licence --out receipt.json",
    "countermark license move plant.licence --receipt receipt.json --host-key new-host.pem --out moved.licence",
])  # fmt: skip
@click.argument("file", type=PATH)
@click.option("--receipt", type=PATH, metavar="FILE", help="At the licensor: what the licensee signed.")
@click.option("--to", metavar="PARTY", help="Another licensee, where the licence allows transfer.")
@click.option("--tpm", default="", metavar="URI", help="TPM that the licence given back was used with.")
@click.option(
    "--broker", "broker_url", default="", metavar="URL", help="Of the broker that counts for the licence given back."
)
@terms
@OUT
@with_desk
def move(
    file: Path,
    receipt: Path | None,
    to: str | None,
    tpm: str,
    broker_url: str,
    named: dict[str, Any],
    out: Path,
    desk: Desk,
) -> Answer:
    """Give a licence back (at the licensee), then grant it anew for another host (at the licensor, with --receipt).

    Without --receipt this workspace never uses the licence again, and a return receipt is signed. With a software key that is a
    promise: nobody can see a copy of the key die. Where the licence names a broker that counts, --broker has it refuse this host from
    then on, and nothing is granted anew without its word. With --receipt the old licence is revoked, and OUT.revoked is the new list.
    """
    from countermark.lifecycle import license as licensing
    from countermark.lifecycle import license_use
    from countermark.lifecycle.desk import read_envelope

    if receipt is None:
        envelope, rests_on = license_use.give_back(desk, file, compose.elapsed, tpm=tpm, meter=broker_url)
        desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
        held = "; the broker takes no more of this host" if rests_on == "broker" else ""
        return Answer(f"given back: {file.name} is not used here again{held}; hand {out.name} to the licensor",
                      facts={"file": str(out), "destroyed": rests_on})  # fmt: skip
    papers = licensing.read(desk, file)
    old = papers.chain.claims
    base = replace(old, licensee=licensing.licensee(desk, to)) if to else old
    keys = {"host": old.host.kind} if old.host and named.get("host_keys") and "host" not in named else {}
    envelopes, line = licensing.move(desk, papers, read_envelope(receipt), applied(desk, base, keys | named))
    answer = written(desk, envelopes, out, "moved")
    desk.space.disk.write(out.with_name(out.name + ".revoked"), line, mode=0o644)
    return answer
