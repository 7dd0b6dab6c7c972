"""`countermark seal`: encrypt an asset for recipients, and sign what its ciphertext is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._sealing import bound_licence, identity, new_words, recipient, sealer
from countermark.cli._show import View, count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.seal import Sealer
    from countermark.seal.fields import Opening
    from countermark.seal.stanza import Recipient

KINDS = ("model", "dataset", "recipe", "other")
CIPHERS = {"aes-256-gcm": 1, "chacha20-poly1305": 2}
AT_REST = "at rest: whoever opens it holds the plaintext from then on"


@command("seal", examples=[
    "countermark seal model/ --kind model --for owner.sealpub --for plant-7.sealpub",
    "countermark seal photos --kind dataset --for trainer.sealpub --out photos.cmsealed",
    "countermark seal weights.safetensors --kind model --with-passphrase --signing-key statement.pem",
    "countermark seal recipe.toml --kind recipe --field train.learning_rate --field data=auditor --for owner.sealpub --for auditor.sealpub",
])  # fmt: skip
@click.argument("asset", type=PATH)
@click.option("--for", "to", multiple=True, metavar="KEY", help="A recipient's .sealpub file, NAME.MORE=FILE.sealpub (vault.acme=vault.sealpub), NAME=age1..., or NAME=URI of a key in a "
              "trusted element; may be repeated. Name yourself, or you cannot open it either.")  # fmt: skip
@click.option("--with-passphrase", is_flag=True, help="For whoever knows a passphrase, and nobody else.")
@click.option("--new-passphrase-file", type=PATH, metavar="FILE", help="File whose first line is that passphrase.")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the asset is; policy may ask for it.")
@click.option("--out", type=PATH, metavar="FILE", help="Default: ASSET.cmsealed, beside it.")
@click.option(
    "--licence", "licences", multiple=True, metavar="NAME=FILE", help="Bind a recipient's copy of the key to a licence."
)
@click.option("--cipher", type=click.Choice(list(CIPHERS)), default="aes-256-gcm", show_default=True, help="chacha20-poly1305 where "
              "readers have no AES in hardware.")  # fmt: skip
@click.option(
    "--hash",
    "hashing",
    type=click.Choice(["blake3", "sha256"]),
    default="blake3",
    show_default=True,
    help="Of the ciphertext.",
)
@click.option("--field", "named", multiple=True, metavar="PATH[=NAME,...]", help="Of a TOML, YAML or JSON file, seal this field and all "
              "below it alone, for all recipients or for those named; may be repeated.")  # fmt: skip
@click.option("--before", type=PATH, metavar="FILE", help="The version before (.cmfields), with --key: fields that did not change are "
              "proven not to have.")  # fmt: skip
@click.option("--key", metavar="KEY", help="A key that opens the version before.")
@click.option("--signing-key", type=PATH, metavar="PEM", help="Statement key to sign with; default: this workspace's.")
@workspace_options
@with_view
def seal(
    asset: Path, to: tuple[str, ...], with_passphrase: bool, new_passphrase_file: Path | None, kind: str, out: Path | None,
    licences: tuple[str, ...], cipher: str, hashing: str, named: tuple[str, ...], before: Path | None, key: str | None,
    signing_key: Path | None, workspace: Path | None, passphrase_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Seal a folder or file, so that only its recipients can open it.

    Writes ASSET.cmsealed and, beside it, its signed .manifest and .recipients; hand over all three. The asset stays as it is.
    Anybody can check the sealed file without a key (`countermark open --check`). Recipients are added and taken out later without
    touching data (`countermark recipients`). With --field, one file ASSET.cmfields shows all other fields, and commits to those sealed.
    """
    from countermark.artefact.walk import measure
    from countermark.lifecycle import seal as stage
    from countermark.seal.writer import Form, chunk_for

    by = sealer(signing_key, workspace, passphrase_file)
    recipients = [recipient(text, workspace) for text in to]
    if with_passphrase or new_passphrase_file:
        recipients.append(new_words(new_passphrase_file))
    if not recipients:
        raise Unusable("for whom is not said", mend="--for NAME.sealpub (`countermark recipients new NAME` makes one)")
    if named:
        return _fields(asset, out, recipients, named, by, _known(before, key, passphrase_file, by))
    target = out or asset.with_name(asset.name + stage.SUFFIX)
    form = Form(CIPHERS[cipher], chunk_for(kind, *measure(asset)), hashing)
    bound = dict(bound_licence(text) for text in licences)
    with Bar(view) as bar:
        bar.expect(asset)
        said, listed = stage.seal(
            asset,
            target,
            recipients,
            by,
            kind=kind,
            form=form,
            licences=bound,
            progress=bar.files,
        )
    return Answer(
        f"sealed: {kind} for {count(len(listed.names), 'recipient')}, {target}",
        facts={"file": str(target), "kind": kind, "recipients": list(listed.names), "asset": said.prelude.asset.hex(),
               "root": said.root.hex(), "hash": said.hash, "size": said.size, "protects": "at rest"},
        body=[Pairs([
            ("for", ", ".join(listed.names)), ("asset id", said.prelude.asset.hex()),
            ("hand over", f"{target.name}, {target.name}{stage.MANIFEST}, {target.name}{stage.RECIPIENTS}"),
            ("protects", AT_REST),
        ])],
    )  # fmt: skip


def _fields(
    asset: Path, out: Path | None, to: Sequence[Recipient], named: Sequence[str], by: Sealer, before: Sequence[Opening]
) -> Answer:
    from countermark.lifecycle import seal_recipe

    known = {one.name: one for one in to}
    chosen: dict[str, list[Recipient]] = {}
    for text in named:
        path, equals, names = text.partition("=")
        try:
            chosen[path] = [known[name] for name in names.split(",")] if equals else [*to]
        except KeyError as error:
            raise Unusable(f"{error.args[0]!r:.80} is no recipient", mend="--for NAME.sealpub too") from None
    target = out or asset.with_name(asset.name + seal_recipe.SUFFIX)
    made = seal_recipe.seal(asset, target, chosen, by, before=before)
    rows = [
        (".".join(one.path), ", ".join(made.groups[one.group][1].names)) for one in made.fields if one.opening is None
    ]
    return Answer(
        f"sealed: {count(len(rows), 'field')} of {len(made.fields)}, {target}",
        facts={
            "file": str(target),
            "fields": len(made.fields),
            "sealed": [{"path": path, "for": names} for path, names in rows],
        },
        body=[Table(("field", "for"), rows)],
    )


def _known(before: Path | None, key: str | None, passphrase_file: Path | None, by: Sealer) -> Sequence[Opening]:
    """Fields of the version before, which this same sealer signed."""
    if before is None:
        return ()
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle import seal_recipe
    from countermark.seal.manifest import by_keys

    mine = stage.Reader(by_keys(signer.public for signer in by.signers[:1]), by.project)
    return seal_recipe.opened(before, mine, identity(key, False, passphrase_file))[1]
