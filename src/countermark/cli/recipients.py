"""`countermark recipients`: keys to be sealed for, and the list of who can open a sealed asset."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, sitting, workspace_options
from countermark.cli._sealing import identity, licence_digest, reader, recipient, sealer
from countermark.cli._show import count

SIGNED_BY = click.option("--signed-by", type=PATH, multiple=True, metavar="PEM", help="Public statement key that must have sealed "
                         "it; default: a party of this workspace's project.")  # fmt: skip
SIGNING_KEY = click.option(
    "--signing-key", type=PATH, metavar="PEM", help="Statement key to sign with; default: this workspace's."
)


@click.group()
def recipients() -> None:
    """Who can open a sealed asset; keys to be sealed for."""


@command("new", group=recipients, examples=[
    "countermark recipients new plant-7",
    "countermark recipients new plant-7 --passphrase --signed",
])  # fmt: skip
@click.argument("name")
@click.option("--algorithm", type=click.Choice(["mlkem768-x25519", "p256"]), default="mlkem768-x25519", show_default=True,
              help="mlkem768-x25519 holds against quantum computers too.")  # fmt: skip
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase that protects the private half.")
@click.option(
    "--signed", is_flag=True, help="Sign the public half as this workspace's party; NAME is PARTY or PARTY.ANYTHING."
)
@click.option("--out", type=PATH, metavar="DIR", help="Folder for both halves; default: this one.")
@workspace_options
def new(
    name: str,
    algorithm: str,
    passphrase: bool,
    signed: bool,
    out: Path | None,
    workspace: Path | None,
    passphrase_file: Path | None,
) -> Answer:
    """Make a sealing key: NAME.sealkey, which stays here (mode 0600), and NAME.sealpub, to hand to whoever seals.

    It opens what was sealed for it, and does nothing else; there is no second copy. --passphrase-file opens the statement key that
    --signed signs with. Without --signed, whoever seals compares the id with you over another channel.
    """
    from countermark.cli.init import new_passphrase
    from countermark.keys.signer import sign_envelope
    from countermark.seal import hpke, keyfile
    from countermark.workspace.disk import Disk

    kind: hpke.Kind = hpke.XWING if algorithm == "mlkem768-x25519" else hpke.P256
    private = hpke.new_private(kind)
    half = keyfile.PublicHalf(name, hpke.HpkeIdentity(private).public)
    signers = sitting(workspace, passphrase_file).signers("statement") if signed else []
    secret = new_passphrase(passphrase, None)
    folder, data = out or Path(), half.to_bytes()
    keyfile.save(folder / (name + keyfile.PRIVATE), private, secret, Disk())
    public = folder / (name + keyfile.PUBLIC)
    Disk().write(public, sign_envelope(keyfile.PAYLOAD_TYPE, data, signers).to_bytes() if signers else data, mode=0o644)
    return Answer(
        f"made: {name}{keyfile.PRIVATE}, which stays here; hand over {public.name}",
        facts={"name": name, "kind": kind, "id": half.key.id, "private": str(folder / (name + keyfile.PRIVATE)), "public": str(public),
               "signed": bool(signers)},
        body=[Pairs([("id", half.key.id), ("kind", kind), ("protection", "passphrase" if secret else "file mode only")])],
    )  # fmt: skip


@command("list", group=recipients, examples=["countermark recipients list model.cmsealed --signed-by owner.pub"])
@click.argument("sealed", type=PATH)
@SIGNED_BY
@workspace_options
def show(sealed: Path, signed_by: tuple[Path, ...], workspace: Path | None, passphrase_file: Path | None) -> Answer:
    """List who can open a sealed asset. It does not say who once could: that is not known from a list."""
    from countermark.lifecycle import seal as stage
    from countermark.seal.registry import KINDS
    from countermark.seal.stanza import NO_LICENCE

    del passphrase_file
    handle = stage.verified(sealed, reader(signed_by, workspace))
    stanzas = handle.recipients.stanzas
    rows = [
        (s.recipient, KINDS[s.kind].says if s.kind in KINDS else f"{s.kind} (not known here)", s.key[:16],
         "none" if s.licence == NO_LICENCE else s.licence[:16])
        for s in stanzas
    ]  # fmt: skip
    return Answer(
        f"{count(len(rows), 'recipient')}, version {handle.recipients.version} of the list, by {handle.signed_by[:64]}",
        facts={"version": handle.recipients.version, "signed_by": handle.signed_by, "recipients": [
            {"name": s.recipient, "kind": s.kind, "key": s.key, "licence": s.licence} for s in stanzas]},
        body=[Table(("name", "key is", "id", "licence"), rows)],
    )  # fmt: skip


@command("add", group=recipients, examples=[
    "countermark recipients add model.cmsealed --for plant-8.sealpub --key owner.sealkey",
    "countermark recipients add model.cmsealed --for plant-8.sealpub --key owner.sealkey --licence plant-8.licence",
])  # fmt: skip
@click.argument("sealed", type=PATH)
@click.option(
    "--for",
    "to",
    required=True,
    metavar="KEY",
    help="A .sealpub file, NAME.MORE=FILE.sealpub, or NAME=URI of a key in a trusted element.",
)
@click.option("--key", required=True, metavar="KEY", help="A key that opens the asset now: a .sealkey file or a URI.")
@click.option("--licence", type=PATH, metavar="FILE", help="Bind the copy of the key to this licence.")
@SIGNING_KEY
@SIGNED_BY
@workspace_options
def add(
    sealed: Path, to: str, key: str, licence: Path | None, signing_key: Path | None, signed_by: tuple[Path, ...],
    workspace: Path | None, passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    """Add a recipient. Only the list beside the sealed file is written; its data is neither read nor changed."""
    from countermark.lifecycle import seal as stage
    from countermark.seal.stanza import NO_LICENCE

    one = recipient(to, workspace)
    by, whom = sealer(signing_key, workspace, passphrase_file), reader(signed_by, workspace)
    mine = identity(key, False, passphrase_file)
    listed = stage.add(sealed, one, mine, whom, by, licence=licence_digest(licence) if licence else NO_LICENCE)
    return Answer(
        f"added: {one.name}; hand over {sealed.name}{stage.RECIPIENTS}",
        facts={"added": one.name, "version": listed.version, "recipients": list(listed.names)},
    )


@command("remove", group=recipients, examples=["countermark recipients remove model.cmsealed plant-8"])
@click.argument("sealed", type=PATH)
@click.argument("name")
@SIGNING_KEY
@SIGNED_BY
@workspace_options
def remove(
    sealed: Path, name: str, signing_key: Path | None, signed_by: tuple[Path, ...], workspace: Path | None,
    passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    """Take a recipient out of the list. Whoever had the file, its old list or its key can still open what they hold."""
    from countermark.lifecycle import seal as stage
    from countermark.seal.recipients import NOT_REVOKED

    by, whom = sealer(signing_key, workspace, passphrase_file), reader(signed_by, workspace)
    listed = stage.remove(sealed, name, whom, by)
    return Answer(
        f"removed: {name}",
        facts={"removed": name, "version": listed.version, "recipients": list(listed.names), "note": NOT_REVOKED},
        body=[NOT_REVOKED],
    )


@command("reseal", group=recipients, examples=[
    "countermark recipients reseal model.cmsealed --key owner.sealkey --for owner.sealpub --for plant-9.sealpub --out model-2.cmsealed",
])  # fmt: skip
@click.argument("sealed", type=PATH)
@click.option("--key", required=True, metavar="KEY", help="A key that opens the asset now: a .sealkey file or a URI.")
@click.option(
    "--for", "to", multiple=True, required=True, metavar="KEY", help="A recipient of the new file; may be repeated."
)
@click.option("--out", type=PATH, required=True, metavar="FILE", help="The new file.")
@SIGNING_KEY
@SIGNED_BY
@workspace_options
def reseal(
    sealed: Path, key: str, to: tuple[str, ...], out: Path, signing_key: Path | None, signed_by: tuple[Path, ...],
    workspace: Path | None, passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    """Seal an asset anew, under a new key and for those named alone, without its plaintext on any disk.

    Whoever held the old file and its key still holds them; what they do not get is anything that is sealed from now on.
    """
    from countermark.lifecycle import seal as stage
    from countermark.seal.plain import Unsealed
    from countermark.seal.writer import Form

    by, whom = sealer(signing_key, workspace, passphrase_file), reader(signed_by, workspace)
    mine, recipients_ = identity(key, False, passphrase_file), [recipient(text, workspace) for text in to]
    handle = stage.verified(sealed, whom)
    was = handle.manifest
    form = Form(was.prelude.suite, was.prelude.chunk, was.hash)
    with stage.opened(sealed, whom, mine) as files:
        said, listed = stage.seal(Unsealed(files), out, recipients_, by, kind=files.kind, form=form)
    return Answer(
        f"sealed anew: {said.kind} for {count(len(listed.names), 'recipient')}, {out}",
        facts={"file": str(out), "kind": said.kind, "recipients": list(listed.names), "asset": said.prelude.asset.hex(), "instead of":
               was.prelude.asset.hex()},
        body=[Pairs([("for", ", ".join(listed.names)), ("asset id", said.prelude.asset.hex())])],
    )  # fmt: skip
