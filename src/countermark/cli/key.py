"""`countermark key`: this party's single-use keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count
from countermark.cli.init import new_passphrase, write_enrolment
from countermark.errors import TrustRefused, Unusable

if TYPE_CHECKING:
    from countermark.keys.signer import Signer
    from countermark.keys.uri import KeyUri
    from countermark.keys.verifier import Algorithm, Use
    from countermark.lifecycle.desk import Desk

USES = ("root", "statement", "ledger", "witness", "licence", "oms")
ALGORITHMS = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ml-dsa-65", "ml-dsa-44")


@click.group()
def key() -> None:
    """This party's single-use keys."""


@command("new", group=key, examples=[
    "countermark key new statement",
    "countermark key new root --passphrase",
    "countermark key new statement --algorithm ml-dsa-65",
    "countermark key new witness --algorithm ml-dsa-44",
    "countermark key new statement --in 'pkcs11:token=acme;object=statement?module-path=/usr/lib/softhsm/libsofthsm2.so'",
    "countermark key new statement --in tpm:handle=0x81000001 --algorithm ecdsa-p256",
])  # fmt: skip
@click.argument("use", type=click.Choice(USES))
@click.option("--algorithm", type=click.Choice(ALGORITHMS), default="ed25519", show_default=True)
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase that protects the key file.")
@click.option("--in", "place", metavar="URI", help="Make it in a PKCS#11 token or a TPM, which it never leaves.")
@with_desk
def new(use: Use, algorithm: Algorithm, passphrase: bool, place: str | None, desk: Desk) -> Answer:
    """Make a key for one use; an older one is kept aside.

    The new key counts once the owners enrol it (`countermark party add NAME.enrol.json`) and sign. An ml-dsa-65 key is the
    second half of a hybrid pair: both keys sign from then on. A witness may have an ml-dsa-44 key instead of an ed25519 one.
    """
    from countermark.keys.uri import parse
    from countermark.lifecycle import own_keys

    if place is None:
        return _made(
            desk, own_keys.new_key(desk.space, use, algorithm, new_passphrase(passphrase, None)), use, "made: a new"
        )
    where = parse(place)
    return _made(desk, own_keys.new_token_key(desk.space, use, algorithm, where, _pin(where)), use, "made: a new")


@command("use", group=key, examples=[
    "countermark key use statement 'pkcs11:token=acme;object=statement?module-path=/usr/lib/softhsm/libsofthsm2.so'",
    "countermark key use root 'tpm:handle=0x81000001?pin-source=file:/run/secrets/tpm'",
    "countermark key use statement awskms:alias/acme-statement",
    "countermark key use statement hv:acme-statement",
])  # fmt: skip
@click.argument("use", type=click.Choice(USES))
@click.argument("uri", metavar="URI")
@with_desk
def use_key(use: Use, uri: str, desk: Desk) -> Answer:
    """Take a key that is in a PKCS#11 token, a TPM or a key service already for one use; an older one is kept aside.

    For tokens the URI is as RFC 7512 has it. The PIN comes from the file that `pin-source=file:...` names, or is asked for
    each time; it never stands in the URI. A key service (AWS KMS; Vault, which was tested with a stand-in only) finds its
    credentials as its own tools do; the public half is pinned now, and another key's signature is refused from then on. The
    key signs once here, so that a wrong one is noticed now.
    """
    from countermark.keys import kms
    from countermark.keys.uri import parse
    from countermark.lifecycle import own_keys

    where = parse(uri)
    taken = own_keys.use_token_key(desk.space, use, where, _pin(where))
    return _made(desk, taken, use, "taken: the", kms.SERVICES[where.scheme].NOTICE if where.in_service else "")


def _pin(where: KeyUri) -> bytes | None:
    from countermark.keys.held import pin_of

    return pin_of(
        where, lambda: str(click.prompt("PIN", hide_input=True, err=True, default="", show_default=False)).encode()
    )


def _made(desk: Desk, signer: Signer, use: str, words: str, notice: str = "") -> Answer:
    public, file = signer.public, write_enrolment(desk)
    return Answer(
        f"{words} {use} key; hand {file.name} to the owners",
        facts={"key": {**public.to_json(), "id": public.id}, "enrolment": str(file), "notice": notice},
        body=[Pairs([("id", public.id), ("algorithm", public.algorithm), *([("note", notice)] if notice else [])])],
    )


@command("list", group=key, examples=["countermark key list"])
@with_desk
def show(desk: Desk) -> Answer:
    """List this party's keys and whether the owners enrolled them."""
    from countermark.keys.held import every

    enrolled = _enrolled(desk)
    rows, facts = [], []
    for held in every(desk.space.home / "keys"):
        public = held.open(desk.passphrase).public
        state = enrolled.get(public.id, "not enrolled") if enrolled is not None else "no trust document yet"
        rows.append((held.use, public.algorithm, public.id[:16], held.protection, state))
        facts.append({**public.to_json(), "id": public.id, "state": state, "protection": held.protection})
    return Answer(
        f"{count(len(rows), 'key')} of {desk.party}",
        facts={"party": desk.party, "keys": facts},
        body=[Table(("use", "algorithm", "id", "protection", "state"), rows)],
    )


@command("api", group=key, examples=["countermark key api 'line 3' --out line-3.key"])
@click.argument("name")
@click.option(
    "--out", type=PATH, required=True, metavar="FILE", help="Where the key is written, readable by you alone."
)
@with_desk
def api(name: str, out: Path, desk: Desk) -> Answer:
    """Make an API key for somebody who may query the guard; it is stored here as a hash only."""
    from countermark.guard import keyring

    if out.exists():
        raise Unusable(f"{out} exists", mend="name a new file")
    entry, token = keyring.create(desk.space, name, desk.stamp())
    desk.space.disk.write(out, token.encode() + b"\n")
    return Answer(f"made: API key {entry.id} for {name}, in {out}; hand it over in private",
                  facts={"id": entry.id, "name": name, "file": str(out)})  # fmt: skip


@command("api-end", group=key, examples=["countermark key api-end 0f1e2d3c4b5a6978"])
@click.argument("key_id", metavar="ID")
@with_desk
def api_end(key_id: str, desk: Desk) -> Answer:
    """End an API key; a running guard notices within a second."""
    from countermark.guard import keyring

    entry = keyring.revoke(desk.space, key_id, desk.stamp())
    return Answer(f"ended: API key {entry.id} of {entry.name}", facts=entry.to_json())


@command("api-list", group=key, examples=["countermark key api-list"])
@with_desk
def api_list(desk: Desk) -> Answer:
    """List the API keys that were made here."""
    from countermark.guard import keyring

    every = keyring.entries(desk.space)
    rows = [(e.id, e.name, e.created, f"ended {e.revoked}" if e.revoked else "counts") for e in every]
    return Answer(
        count(len(rows), "API key"),
        facts={"keys": [{"id": e.id, "name": e.name, "created": e.created, "revoked": e.revoked} for e in every]},
        body=[Table(("id", "name", "made", "state"), rows)],
    )


def _enrolled(desk: Desk) -> dict[str, str] | None:
    try:
        document = desk.trust(expired=True).document
    except TrustRefused:
        return None
    mine = [p for p in document.parties if p.id == desk.party]
    return {k.key.id: "revoked" if k.revoked else "enrolled" for p in mine for k in p.keys}
