"""`countermark oms`: OpenSSF Model Signing bundles, as other tools write and verify them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.statement.oms_keyless import Keyless, KeylessTrust
    from countermark.statement.oms_keys import CertificateTrust, KeyTrust


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
    "countermark oms verify model/ --signature model.oms.json --identity mara@works.example"
    " --identity-provider https://login.works.example --trust-root trusted_root.json",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--signature", type=PATH, required=True, metavar="FILE", help="The bundle.")
@click.option("--public-key", type=PATH, metavar="PEM", help="The key that must have signed it.")
@click.option("--certificate-chain", type=PATH, multiple=True, metavar="PEM", help="Trusted roots; may be repeated.")
@click.option("--identity", metavar="NAME", help="Who must have signed it, without a key (Sigstore).")
@click.option("--identity-provider", metavar="ISSUER", help="Who must have vouched for that name.")
@click.option(
    "--trust-root", type=PATH, metavar="FILE", help="Sigstore trusted root; else the one that ships with its package."
)
@click.option("--ignore-path", multiple=True, metavar="PATH", help="What you allow to be unsigned; may be repeated.")
@with_view
def verify(
    model: Path, signature: Path, public_key: Path | None, certificate_chain: tuple[Path, ...], identity: str | None,
    identity_provider: str | None, trust_root: Path | None, ignore_path: tuple[str, ...], view: View,
) -> Answer:  # fmt: skip
    """Verify a model against a bundle. What may be ignored is the verifier's choice, never the signer's.

    A keyless bundle needs the extra [sigstore]. It is verified from files alone, never over the network.
    """
    from countermark.lifecycle import oms as stage
    from countermark.lifecycle.desk import read_file
    from countermark.statement import oms as bundles

    trust = _trust(public_key, certificate_chain, (identity, identity_provider, trust_root))
    manifest = bundles.verify(read_file(signature, bundles.MAX_BUNDLE_BYTES), trust)
    beside = [signature.name] if signature.parent.resolve() == model.resolve() else []
    with Bar(view) as bar:
        bar.expect(model)
        files = stage.hold(model, manifest, exclude=[*ignore_path, *beside], progress=bar.files)
    who = _signed_by(manifest.keyless, trust_root)
    shown = [*who.items(), *([("ignored by you", ", ".join(ignore_path))] if ignore_path else [])]
    return Answer(
        f"verified: {files} files are exactly those signed as {manifest.name!r}",
        facts={
            "name": manifest.name,
            "files": files,
            "ignored": list(ignore_path),
            **({"keyless": who} if who else {}),
        },
        body=[Pairs(shown)] if shown else [],
    )


def _trust(
    public_key: Path | None, roots: tuple[Path, ...], keyless: tuple[str | None, str | None, Path | None]
) -> KeyTrust | CertificateTrust | KeylessTrust:
    """The one thing that the verifier named.

    Raises:
        Unusable: none or several of them, or half of an identity.
    """
    from countermark.lifecycle.desk import read_file
    from countermark.statement.oms_keyless import KeylessTrust
    from countermark.statement.oms_keys import CertificateTrust, KeyTrust
    from countermark.statement.oms_trust_root import MAX_ROOT_BYTES

    identity, issuer, root = keyless
    if bool(public_key) + bool(roots) + any(word is not None for word in keyless) != 1:
        raise Unusable(
            "whom to trust is not said, or twice",
            mend="one of --public-key PEM, --certificate-chain PEM, and --identity NAME --identity-provider ISSUER",
        )
    if public_key:
        return KeyTrust(read_file(public_key))
    if roots:
        return CertificateTrust(tuple(read_file(c) for c in roots), compose.clock())
    if not identity or not issuer:
        raise Unusable("an identity counts only together with who vouches for it",
                       mend="--identity NAME --identity-provider ISSUER")  # fmt: skip
    return KeylessTrust(identity, issuer, read_file(root, MAX_ROOT_BYTES) if root else None)


def _signed_by(keyless: Keyless | None, root: Path | None) -> dict[str, str]:
    if keyless is None:
        return {}
    return {
        "signed by": keyless.identity, "as vouched for by": keyless.issuer, "on": keyless.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "log entry": str(keyless.log_index), "trust root": str(root) if root else "as shipped with the package sigstore",
    }  # fmt: skip
