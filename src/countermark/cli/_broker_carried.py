"""The host's side without a network: `countermark broker request` writes what is carried there, `take` reads what came back."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer
from countermark.cli._broker import broker
from countermark.cli._broker_host import (
    AS,
    CLAIM,
    LICENCE,
    LOG_KEY,
    OUT,
    OWNER,
    PCRS,
    WITH,
    asset_of,
    ephemeral,
    log_key_of,
    opened,
    prover_of,
)
from countermark.cli._command import PATH, command, with_view, workspace_options
from countermark.cli._sealing import reader
from countermark.cli._show import View
from countermark.cli.recipients import SIGNED_BY


@command("request", group=broker, examples=[
    "countermark broker request model.cmsealed --challenge plant.challenge --owner acme --for plant-7 --with plant-7.hostkey --out plant.request",
])  # fmt: skip
@click.argument("sealed", type=PATH)
@click.option("--challenge", type=PATH, required=True, metavar="FILE", help="As `broker challenge` wrote it.")
@OWNER
@AS
@WITH
@PCRS
@CLAIM
@LICENCE
@OUT
@SIGNED_BY
@workspace_options
def request(
    sealed: Path, challenge: Path, owner: str, recipient: str, key: str, pcrs: tuple[int, ...], claims: tuple[str, ...], licence: Path | None,
    out: Path, signed_by: tuple[Path, ...], workspace: Path | None, passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    """Write a request to carry to a broker without a network.

    OUT.sealkey is the ephemeral key that the answer opens for: it stays here, and `broker take` deletes it.
    """
    from countermark.broker import prove
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle.desk import read_file
    from countermark.seal import hpke, keyfile
    from countermark.workspace.disk import Disk

    asset = asset_of(stage.verified(sealed, reader(signed_by, workspace)), owner, recipient, claims, licence)
    private = hpke.new_private(hpke.XWING)
    asked = prove.request(
        asset, read_file(challenge, 4096), hpke.HpkeIdentity(private), prover_of(key, pcrs, passphrase_file)
    )
    keyfile.save(ephemeral(out), private, None, Disk())
    Disk().write(out, asked.to_bytes(), mode=0o644)
    return Answer(
        f"asked: carry {out} to the broker", facts={"file": str(out), "key": str(ephemeral(out)), "to": asked.key.id}
    )


@command("take", group=broker, examples=[
    "countermark broker take model.cmsealed plant.answer --request plant.request --out model",
])  # fmt: skip
@click.argument("sealed", type=PATH)
@click.argument("answer", type=PATH)
@click.option("--request", "asked", type=PATH, required=True, metavar="FILE", help="The request that it answers.")
@LOG_KEY
@OUT
@SIGNED_BY
@workspace_options
@with_view
def take(
    sealed: Path, answer: Path, asked: Path, log_key: Path | None, out: Path, signed_by: tuple[Path, ...], workspace: Path | None,
    passphrase_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Open a sealed asset with the answer that came back to a request; its ephemeral key is deleted."""
    from countermark.broker import prove
    from countermark.broker.request import MOST_ANSWER, MOST_REQUEST, Request
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle.desk import read_file
    from countermark.seal import keyfile

    del passphrase_file
    handle = stage.verified(sealed, reader(signed_by, workspace))
    said = Request.from_bytes(read_file(asked, MOST_REQUEST))
    asset = prove.Asset(said.owner, handle.manifest.prelude, said.recipient, said.licence, said.claims)
    data, pinned, mine = read_file(answer, MOST_ANSWER), log_key_of(log_key), keyfile.load(ephemeral(asked))

    def key() -> bytearray:
        return prove.content_key(asset, data, mine, pinned, said.challenge)

    done = opened(sealed, handle, key, out, view, said.evidence.kind)
    ephemeral(asked).unlink()
    return done
