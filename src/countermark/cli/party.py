"""`countermark party`: who takes part in the project. Changes are drafts until the owners sign them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Table
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count
from countermark.errors import TrustRefused, Unusable

if TYPE_CHECKING:
    from countermark.keys.document import Party, TrustDocument
    from countermark.lifecycle.desk import Desk


@click.group()
def party() -> None:
    """Who takes part: enrol, revoke, list. Changes are drafts until the owners sign them."""


@command("add", group=party, examples=[
    "countermark party add acme.enrol.json --role supplier --scope screws,nuts",
    "countermark party add acme --scope screws,nuts,washers",
    "countermark party add acme.enrol.json --signatures both",
    "countermark party add acme.enrol.json --role supplier --scope screws --not-after 2027-12-31T00:00:00Z",
])  # fmt: skip
@click.argument("who", nargs=-1, required=True, metavar="FILE|NAME...")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="What it may do; may be repeated.")
@click.option("--scope", metavar="CLASSES", help="Classes it may deliver, with commas; '*' for all.")
@click.option("--scope-file", type=PATH, metavar="FILE", help="Classes it may deliver, one per line.")
@click.option(
    "--signatures",
    type=click.Choice(["both", "any"]),
    help="both: it counts only where a classical and a post-quantum (ml-dsa-65) key signed.",
)
@click.option("--not-after", metavar="TIME", help="When the keys in FILE end, as in 2027-12-31T00:00:00Z.")
@with_desk
def add(
    who: tuple[str, ...], roles: tuple[str, ...], scope: str | None, scope_file: Path | None, signatures: str | None,
    not_after: str | None, desk: Desk,
) -> Answer:  # fmt: skip
    """Draft that parties count, or that they have new keys, roles or a new scope.

    FILE is the .enrol.json that `countermark init` or `key new` wrote; NAME is a party that is enrolled already.
    """
    from countermark.lifecycle import roster
    from countermark.lifecycle.desk import read_file
    from countermark.lifecycle.enrol import Enrolment

    classes, document = _scope(scope, scope_file), None
    for one in who:
        if Path(one).is_file():
            enrolment = Enrolment.from_bytes(read_file(Path(one)))
            document, name = roster.enrol_party(desk, enrolment, roles, classes, not_after), enrolment.id
        elif not_after is not None:
            raise Unusable(
                f"--not-after goes with an enrolment file, and {one} is none", mend=f"name the .enrol.json of {one}"
            )
        else:
            document, name = roster.change_party(desk, one, roles, classes), one
        if signatures:
            document = roster.set_signatures(desk, name, _next_leaf(desk) if signatures == "both" else None)
    return drafted(document)


def _scope(text: str | None, file: Path | None) -> list[str] | None:
    if file is not None:
        from countermark.lifecycle.desk import read_file

        return [line.strip() for line in read_file(file).decode().splitlines() if line.strip()]
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def drafted(document: TrustDocument | None) -> Answer:
    """The answer of every command that changes the draft."""
    if document is None:
        raise Unusable("nobody was named", mend="countermark party add FILE")
    return Answer(
        f"drafted: trust version {document.version} of {document.project}; the owners run `countermark trust sign`",
        facts={"version": document.version, "project": document.project, "parties": len(document.parties)},
    )


@command("revoke", group=party, examples=[
    "countermark party revoke acme --reason 'laptop stolen'",
    "countermark party revoke acme --key 3f9a12 --reason 'replaced' --from-leaf 120",
])  # fmt: skip
@click.argument("name")
@click.option("--key", "key_id", metavar="DIGITS", help="First digits of one key's id (default: all its keys).")
@click.option("--reason", required=True, metavar="TEXT")
@click.option("--from-leaf", type=click.IntRange(0), metavar="N",
              help="First ledger entry that no longer counts (default: the next one).")  # fmt: skip
@with_desk
def revoke(name: str, key_id: str | None, reason: str, from_leaf: int | None, desk: Desk) -> Answer:
    """Draft that a party's keys no longer count; what they signed before that ledger entry stays valid."""
    from countermark.lifecycle import trust_draft

    leaf = _next_leaf(desk) if from_leaf is None else from_leaf
    return drafted(trust_draft.revoke(desk, name, key_id=key_id, reason=reason, from_leaf=leaf))


def _next_leaf(desk: Desk) -> int:
    """Size of the ledger: only its keeper knows the newest."""
    from countermark.lifecycle import book

    trust = desk.trust(expired=True)
    if trust.document.ledger_operator != desk.party:
        raise Unusable(
            "which entries no longer count is not known here", why=f"{trust.document.ledger_operator} keeps the ledger",
            mend="--from-leaf N (`countermark ledger show` at its keeper; 0 for all)",
        )  # fmt: skip
    with book.ledger(desk, trust) as log:
        return log.checkpoint.size


@command("list", group=party, examples=["countermark party list", "countermark party list --draft --keys"])
@click.option("--keys", "with_keys", is_flag=True, help="Show every key.")
@click.option("--draft", is_flag=True, help="Show the draft in work instead of the published version.")
@with_desk
def show(with_keys: bool, draft: bool, desk: Desk) -> Answer:
    """List the parties of the project."""
    from countermark.lifecycle import trust_draft

    document = trust_draft.draft(desk) if draft else _published(desk)
    rows = [(p.id, p.organisation, ", ".join(p.roles), _classes(p), _state(p)) for p in document.parties]
    keys = [
        (p.id, k.key.use, k.key.algorithm, k.key.id[:16], f"revoked from entry {k.revoked.from_leaf}: {k.revoked.reason}"
         if k.revoked else "counts") for p in document.parties for k in p.keys
    ]  # fmt: skip
    body = [Table(("party", "organisation", "roles", "may deliver", "state"), rows)]
    if with_keys:
        body.append(Table(("party", "key", "algorithm", "id", "state"), keys))
    return Answer(
        f"{len(rows)} parties of {document.project}, trust version {document.version}{' (draft)' if draft else ''}",
        facts={"project": document.project, "version": document.version, "draft": draft,
               "parties": [p.to_json() for p in document.parties]},
        body=body,
    )  # fmt: skip


def _published(desk: Desk) -> TrustDocument:
    try:
        return desk.trust().document
    except TrustRefused as error:
        if (desk.space.home / "trust" / "draft.json").exists():
            raise TrustRefused("nothing is published yet", mend="--draft, or `countermark trust sign`") from error
        raise


def _classes(who: Party) -> str:
    if "*" in who.scope:
        return "every class"
    return f"{len(who.scope)} classes" if who.scope else "nothing"


def _state(who: Party) -> str:
    gone = sum(k.revoked is not None for k in who.keys)
    return "revoked" if gone and gone == len(who.keys) else count(len(who.keys) - gone, "key")
