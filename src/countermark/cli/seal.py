"""`countermark seal`: encrypt an asset for recipients, and sign what its ciphertext is."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._sealing import bound_licence, new_words, recipient, sealer
from countermark.cli._show import View, count
from countermark.errors import Unusable

KINDS = ("model", "dataset", "recipe", "other")
CIPHERS = {"aes-256-gcm": 1, "chacha20-poly1305": 2}
AT_REST = "at rest: whoever opens it holds the plaintext from then on"


@command("seal", examples=[
    "countermark seal model/ --kind model --for owner.sealpub --for plant-7.sealpub",
    "countermark seal photos --kind dataset --for trainer.sealpub --out photos.cmsealed",
    "countermark seal weights.safetensors --kind model --with-passphrase --signing-key statement.pem",
])  # fmt: skip
@click.argument("asset", type=PATH)
@click.option("--for", "to", multiple=True, metavar="KEY", help="A recipient's .sealpub file, or the URI of a key in a trusted element "
              "as NAME=URI; may be repeated. Name yourself, or you cannot open it either.")  # fmt: skip
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
@click.option("--signing-key", type=PATH, metavar="PEM", help="Statement key to sign with; default: this workspace's.")
@workspace_options
@with_view
def seal(
    asset: Path, to: tuple[str, ...], with_passphrase: bool, new_passphrase_file: Path | None, kind: str, out: Path | None,
    licences: tuple[str, ...], cipher: str, hashing: str, signing_key: Path | None, workspace: Path | None,
    passphrase_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Seal a folder or file, so that only its recipients can open it.

    Writes ASSET.cmsealed and, beside it, its signed .manifest and .recipients; hand over all three. The asset stays as it is.
    Anybody can check the sealed file without a key (`countermark open --check`). Recipients are added and taken out later without
    touching data (`countermark recipients`).
    """
    from countermark.lifecycle import seal as stage
    from countermark.seal.writer import Form

    by = sealer(signing_key, workspace, passphrase_file)
    recipients = [recipient(text, workspace) for text in to]
    if with_passphrase or new_passphrase_file:
        recipients.append(new_words(new_passphrase_file))
    if not recipients:
        raise Unusable("for whom is not said", mend="--for NAME.sealpub (`countermark recipients new NAME` makes one)")
    target = out or asset.with_name(asset.name + stage.SUFFIX)
    bound = dict(bound_licence(text) for text in licences)
    with Bar(view) as bar:
        bar.expect(asset)
        said, listed = stage.seal(
            asset,
            target,
            recipients,
            by,
            kind=kind,
            form=Form(CIPHERS[cipher], hash=hashing),
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
