"""What an owner signs for a broker, and the operator takes: a release policy beside a sealed asset."""

from __future__ import annotations

from pathlib import Path

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._broker import HOME, broker
from countermark.cli._broker_service import service
from countermark.cli._command import PATH, command, workspace_options
from countermark.cli._sealing import reader, sealer
from countermark.cli._show import count
from countermark.cli.recipients import SIGNED_BY, SIGNING_KEY

POLICY = ".release"


@command(
    "policy", group=broker, examples=["countermark broker policy model.cmsealed rules.toml --signing-key statement.pem"]
)
@click.argument("sealed", type=PATH)
@click.argument("rules", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", help="Default: SEALED.release, beside it.")
@SIGNING_KEY
@SIGNED_BY
@workspace_options
def policy(
    sealed: Path, rules: Path, out: Path | None, signing_key: Path | None, signed_by: tuple[Path, ...], workspace: Path | None,
    passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    """Sign whom a broker may release a sealed asset's key to, and on what evidence; what no rule grants is denied.

    Hand the broker's operator the asset's .manifest, .recipients and .release. To take a grant back, sign a policy with the next
    sequence; a key that was released stays released.
    """
    from countermark.broker import written
    from countermark.broker.policy import MOST_BYTES, PAYLOAD_TYPE
    from countermark.keys.signer import sign_envelope
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle.desk import read_file
    from countermark.workspace.disk import Disk

    handle = stage.verified(sealed, reader(signed_by, workspace))
    said = written.parse(read_file(rules, MOST_BYTES), handle.manifest.prelude.asset, compose.clock())
    target = out or stage.beside(sealed, POLICY)
    signers = sealer(signing_key, workspace, passphrase_file).signers
    Disk().write(target, sign_envelope(PAYLOAD_TYPE, said.to_bytes(), signers).to_bytes(), mode=0o644)
    rows = [
        (rule.evidence, rule.recipient, str(rule.releases), ", ".join(rule.claims) or "none", rule.id[:16])
        for rule in said.rules
    ]
    return Answer(
        f"signed: {count(len(rows), 'rule')}, {target}",
        facts={"file": str(target), "sequence": said.sequence, "rules": [rule.to_json() for rule in said.rules]},
        body=[Table(("evidence", "for", "releases", "claims", "rule"), rows)],
    )


@command("deposit", group=broker, examples=["countermark broker deposit acme model.cmsealed"])
@click.argument("owner")
@click.argument("sealed", type=PATH)
@HOME
def deposit(owner: str, sealed: Path, home: Path) -> Answer:
    """Take an owner's SEALED.manifest, .recipients and .release; the sealed file itself is not needed.

    Refused: what the owner did not sign, what this broker cannot open, and a policy that is not newer than the one here.
    """
    from countermark.broker.home import Home
    from countermark.broker.store import MOST_BYTES
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle.desk import read_file

    parts = [
        read_file(stage.beside(sealed, suffix), MOST_BYTES) for suffix in (stage.MANIFEST, stage.RECIPIENTS, POLICY)
    ]
    made = Home.open(home)
    with made.log() as log:
        kept = service(made, log, 60).accept(owner, *parts)
    facts = {
        "owner": owner,
        "asset": kept.policy.asset.hex(),
        "sequence": kept.policy.sequence,
        "rules": len(kept.policy.rules),
    }
    return Answer(f"kept: {owner}'s {kept.sealed.manifest.kind}, {count(len(kept.policy.rules), 'rule')}", facts=facts,
                  body=[Pairs([(name, str(value)) for name, value in facts.items()])])  # fmt: skip
