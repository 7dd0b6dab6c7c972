"""`countermark init`: a party's workspace, its keys, and the enrolment file that it hands to the owners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command
from countermark.cli._show import count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk

ROLES = ("data-owner", "model-owner", "supplier", "trainer", "reviewer", "operator", "licensee", "risk-owner")
SUFFIX = ".enrol.json"


@command("init", examples=[
    "countermark init acme --organisation 'Acme Screws Ltd'",
    "countermark init manufacturer --role data-owner --role model-owner --ledger",
])  # fmt: skip
@click.argument("name")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES),
              help="What the party will do; decides which keys it needs (default: supplier).")  # fmt: skip
@click.option("--ledger", is_flag=True, help="The party will run the project's ledger.")
@click.option("--organisation", default="", metavar="TEXT", help="Full name of the organisation.")
@click.option("--algorithm", type=click.Choice(["ed25519", "ecdsa-p256"]), default="ed25519", show_default=True)
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase that protects the key files.")
@click.option("--passphrase-file", type=PATH, metavar="FILE", help="File whose first line protects the key files.")
@click.option("--workspace", type=PATH, metavar="DIR", help="Where the workspace is made (default: this folder).")
def init(
    name: str, roles: tuple[str, ...], ledger: bool, organisation: str, algorithm: str, passphrase: bool,
    passphrase_file: Path | None, workspace: Path | None,
) -> Answer:  # fmt: skip
    """Make a party's workspace and its single-use keys.

    Writes NAME.enrol.json, which holds public keys only: hand it to the owners, who enrol the party. Private keys
    stay in .countermark/keys, readable by you alone.
    """
    from countermark.lifecycle import enrol, own_keys
    from countermark.workspace.place import Workspace

    enrol.unusable_name(name)
    secret = new_passphrase(passphrase, passphrase_file)
    root = workspace or Path.cwd()
    space = Workspace.create(root, {"id": name, "name": organisation or name, "organisation": organisation or name})
    uses = enrol.uses_for(roles or ("supplier",), ledger=ledger)
    keys = {use: own_keys.new_key(space, use, algorithm, secret).public for use in uses}  # type: ignore[arg-type]
    desk = compose.desk_of(space, passphrase_file, (lambda _use: secret or b"") if secret else None)
    file = write_enrolment(desk)
    return Answer(
        f"made: workspace of {name} with {count(len(keys), 'key')}; hand {file.name} to the owners",
        facts={
            "party": name, "workspace": str(root), "enrolment": str(file),
            "keys": [{"use": use, **key.to_json(), "id": key.id} for use, key in keys.items()],
        },
        body=[Pairs([(f"{use} key", key.id) for use, key in keys.items()])],
    )  # fmt: skip


def new_passphrase(ask: bool, file: Path | None) -> bytes | None:
    """A passphrase for new keys, from a file or asked for twice; None where none is wanted."""
    if file is not None:
        return compose.read_passphrase(file)
    if not ask:
        return None
    secret = str(click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)).encode()
    if not secret:
        raise Unusable("an empty passphrase protects nothing", mend="name one, or leave --passphrase out")
    return secret


def write_enrolment(desk: Desk) -> Path:
    """Write ``NAME.enrol.json`` into the workspace's root."""
    from countermark.lifecycle import enrol

    file = desk.space.root / f"{desk.party}{SUFFIX}"
    desk.space.disk.write(file, enrol.enrolment(desk).to_bytes(), mode=0o644)
    return file
