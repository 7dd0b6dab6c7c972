"""`countermark oms`: OpenSSF Model Signing bundles, as other tools write and verify them."""

from __future__ import annotations

from pathlib import Path

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View
from countermark.errors import Unusable


@click.group()
def oms() -> None:
    """OpenSSF Model Signing bundles, in and out."""


@command("sign", group=oms, examples=["countermark oms sign model/ --key ec.pem --signature model.oms.json"])
@click.argument("model", type=PATH)
@click.option("--key", type=PATH, required=True, metavar="PEM", help="ECDSA P-256 private key.")
@click.option("--signature", type=PATH, required=True, metavar="FILE", help="Bundle to write.")
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    metavar="BYTES",
    help="Sign shards of so many bytes, not whole files (an empty file cannot be signed then).",
)
@click.option("--passphrase-file", type=PATH, metavar="FILE", help="File whose first line opens the key.")
@with_view
def sign(
    model: Path, key: Path, signature: Path, shard_size: int | None, passphrase_file: Path | None, view: View
) -> Answer:
    """Sign a model; needs no workspace. (`countermark release` does it with the party's own OMS key.)"""
    from countermark.keys.signer import load
    from countermark.lifecycle import oms as stage
    from countermark.workspace.disk import Disk

    signer = load(key, "oms", compose.read_passphrase(passphrase_file) if passphrase_file else None)
    with Bar(view) as bar:
        bar.expect(model)
        made, named = stage.bundle(model, signer, shard_size=shard_size, progress=bar.files)
    Disk().write(signature, made, mode=0o644)
    what = "files" if shard_size is None else "shards"
    return Answer(f"signed: {named} {what}, bundle {signature}", facts={"file": str(signature), what: named})


@command("verify", group=oms, examples=[
    "countermark oms verify model/ --signature model.oms.json --public-key ec.pub",
    "countermark oms verify model/ --signature model.oms.json --certificate-chain root.pem",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--signature", type=PATH, required=True, metavar="FILE", help="The bundle.")
@click.option("--public-key", type=PATH, metavar="PEM", help="The key that must have signed it.")
@click.option("--certificate-chain", type=PATH, multiple=True, metavar="PEM", help="Trusted roots; may be repeated.")
@click.option("--ignore-path", multiple=True, metavar="PATH", help="What you allow to be unsigned; may be repeated.")
@with_view
def verify(
    model: Path, signature: Path, public_key: Path | None, certificate_chain: tuple[Path, ...],
    ignore_path: tuple[str, ...], view: View,
) -> Answer:  # fmt: skip
    """Verify a model against a bundle. What may be ignored is the verifier's choice, never the signer's."""
    from countermark.lifecycle import oms as stage
    from countermark.lifecycle.desk import read_file
    from countermark.statement import oms as bundles
    from countermark.statement.oms_keys import CertificateTrust, KeyTrust

    if bool(public_key) == bool(certificate_chain):
        raise Unusable("whom to trust is not said", mend="--public-key PEM, or --certificate-chain PEM")
    trust = (
        KeyTrust(read_file(public_key)) if public_key
        else CertificateTrust(tuple(read_file(c) for c in certificate_chain), compose.clock())
    )  # fmt: skip
    manifest = bundles.verify(read_file(signature, bundles.MAX_BUNDLE_BYTES), trust)
    beside = [signature.name] if signature.parent.resolve() == model.resolve() else []
    with Bar(view) as bar:
        bar.expect(model)
        files = stage.hold(model, manifest, exclude=[*ignore_path, *beside], progress=bar.files)
    return Answer(
        f"verified: {files} files are exactly those signed as {manifest.name!r}",
        facts={"name": manifest.name, "files": files, "ignored": list(ignore_path)},
        body=[Pairs([("ignored by you", ", ".join(ignore_path))])] if ignore_path else [],
    )
