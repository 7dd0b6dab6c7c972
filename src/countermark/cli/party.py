"""``countermark party``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, desk_options, json_option


@click.group("party")
def command() -> None:
    """Enrol, revoke and list the parties of a project. Changes are drafts until the owners sign them.

    \b
    Examples:
      countermark party add acme.enrol.json --role supplier --scope screws,nuts
      countermark party revoke acme --reason 'laptop stolen' --from-leaf 120
      countermark trust sign
    """


@command.command("add")
@click.argument("enrolments", nargs=-1, required=True, type=EXISTING)
@click.option("--role", "roles", multiple=True, required=True, help="Role; may be repeated.")
@click.option("--scope", default="", help="Classes a supplier may deliver, with commas; '*' for all.")
@desk_options
def add(enrolments: tuple[Path, ...], roles: tuple[str, ...], scope: str, workspace: Path | None,
        passphrase_file: Path | None) -> None:  # fmt: skip
    """Draft the enrolment of one or more parties."""
    from countermark.compose import desk
    from countermark.lifecycle import enrol
    from countermark.lifecycle.desk import read_file

    me = desk(workspace, passphrase_file)
    document = enrol.draft(me)
    for path in enrolments:
        party = enrol.Enrolment.from_bytes(read_file(path)).party(roles, [s for s in scope.split(",") if s])
        document = document.with_party(party)
        show.lines(f"{party.id}: {', '.join(roles)}, {len(party.keys)} keys, scope {scope or 'none'}")
    enrol.save_draft(me, document)
    show.verdict(f"draft of trust version {document.version}; the owners run `countermark trust sign`", good=True)


@command.command("revoke")
@click.argument("party")
@click.option("--key", "key_id", help="First digits of one key's id; default: all keys of the party.")
@click.option("--reason", required=True)
@click.option("--from-leaf", type=int, required=True, help="First ledger entry that no longer counts.")
@desk_options
def revoke(party: str, key_id: str | None, reason: str, from_leaf: int, workspace: Path | None,
           passphrase_file: Path | None) -> None:  # fmt: skip
    """Draft the revocation of a party's keys; earlier entries stay valid."""
    from countermark.compose import desk
    from countermark.lifecycle import enrol

    document = enrol.revoke(desk(workspace, passphrase_file), party, key_id=key_id, reason=reason, from_leaf=from_leaf)
    show.verdict(f"draft of trust version {document.version}; the owners run `countermark trust sign`", good=True)


@command.command("list")
@click.option("--keys", "with_keys", is_flag=True, help="Show key ids too.")
@desk_options
@json_option
def list_(with_keys: bool, workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """List the parties of the trusted project."""
    from countermark.compose import desk

    document = desk(workspace, passphrase_file).trust().document
    if as_json:
        show.as_json({"version": document.version, "parties": [p.to_json() for p in document.parties]})
        return
    for party in document.parties:
        revoked = " (revoked)" if party.keys and all(k.revoked for k in party.keys) else ""
        scope = f"{len(party.scope)} classes" if "*" not in party.scope else "every class"
        show.lines(f"{party.id:<24} {', '.join(party.roles):<28} {scope}{revoked}")
        if with_keys:
            show.lines(*(f"    {k.key.id}  {k.key.use}" for k in party.keys))
