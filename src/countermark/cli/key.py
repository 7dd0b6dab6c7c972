"""``countermark key``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import desk_options, json_option


@click.group("key")
def command() -> None:
    """Make and list this party's keys.

    \b
    Examples:
      countermark key list
      countermark key new --use statement
    """


@command.command("new")
@click.option("--use", type=click.Choice(["root", "statement", "ledger", "witness", "licence", "oms"]), required=True)
@click.option("--algorithm", type=click.Choice(["ed25519", "ecdsa-p256"]), default="ed25519", show_default=True)
@desk_options
@json_option
def new(use: str, algorithm: str, workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a new key for one use; the old one is kept aside, and a new enrolment file is written."""
    from countermark.compose import desk, read_passphrase
    from countermark.lifecycle import enrol

    me = desk(workspace, passphrase_file)
    phrase = read_passphrase(passphrase_file) if passphrase_file else None
    made = enrol.new_key(me.space, use, algorithm, phrase)  # type: ignore[arg-type]
    file = me.space.root / f"{me.party}.enrol.json"
    file.write_bytes(enrol.enrolment(me).to_bytes())
    if as_json:
        show.as_json({"key": made.public.id, "use": use, "enrolment": str(file)})
        return
    show.lines(f"{made.public.id}  {use}  {made.public.algorithm}")
    show.verdict(f"hand {file.name} to the owners; until they enrol it, the new key counts for nothing", good=True)


@command.command("list")
@desk_options
@json_option
def list_(workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """List the public halves of this party's keys."""
    from countermark.compose import desk
    from countermark.lifecycle import enrol

    keys = [k.key for k in enrol.enrolment(desk(workspace, passphrase_file)).keys]
    if as_json:
        show.as_json({"keys": [{"id": k.id, "use": k.use, "algorithm": k.algorithm} for k in keys]})
        return
    show.lines(*(f"{k.id}  {k.use:<10} {k.algorithm}" for k in keys))
