"""`countermark broker revoked`: an owner's word that licences do not count any more."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._broker import HOME, broker
from countermark.cli._command import PATH, command
from countermark.cli._show import count


@command("revoked", group=broker, examples=["countermark broker revoked acme revoked.json acme-licence.pub"])
@click.argument("owner")
@click.argument("listed", type=PATH, metavar="LIST")
@click.argument("keys", nargs=-1, required=True, type=PATH)
@HOME
def revoked(owner: str, listed: Path, keys: tuple[Path, ...], home: Path) -> Answer:
    """Keep an owner's list of revoked licences, as `license revoke` writes it: keys that are bound to one of them are not given out any more.

    KEYS are his licence keys (PEM); compare their ids with him over another channel. A running broker feels it at once. An older list is
    refused; one that is due for renewal goes on refusing what it names.
    """
    from countermark.broker.home import Home
    from countermark.broker.revoked import MOST_BYTES
    from countermark.keys.verifier import PublicKey
    from countermark.lifecycle.desk import read_file
    from countermark.seal.manifest import key_of_pem

    known = [PublicKey.from_spki("licence", key_of_pem(read_file(file, 16 << 10)).spki) for file in keys]
    said = Home.open(home).deposits().revoke(owner, read_file(listed, MOST_BYTES), known)
    return Answer(
        f"kept: {owner}'s list {said.epoch} of {count(len(said.licences), 'revoked licence')}",
        facts={"owner": owner, "epoch": said.epoch, "licences": sorted(said.licences), "next_update": said.next_update,
               "keys": [key.id for key in known]},
        body=[Pairs([("list", str(said.epoch)), ("next due", said.next_update), *(("licence key", key.id) for key in known)])],
    )  # fmt: skip
