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


@command("sign", group=oms, examples=[
    "countermark oms sign model/ --key ec.pem --signature model.oms.json",
    "countermark oms sign model/ --sigstore --trust-config sigstore.json --identity-token-file token --signature model.oms.json",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--key", type=PATH, metavar="PEM", help="ECDSA P-256 private key.")
@click.option("--signature", type=PATH, required=True, metavar="FILE", help="Bundle to write.")
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    metavar="BYTES",
    help="Sign shards of so many bytes, not whole files (an empty file cannot be signed then).",
)
@click.option("--passphrase-file", type=PATH, metavar="FILE", help="File whose first line opens the key.")
@click.option("--sigstore", is_flag=True, help="Sign without a key, as whom an identity token names.")
@click.option(
    "--trust-config", type=PATH, metavar="FILE", help="Sigstore client trust configuration; else the public instance."
)
@click.option(
    "--identity-token-file", type=PATH, metavar="FILE", help="File with the identity token; else it is asked for."
)
@with_view
def sign(
    model: Path, key: Path | None, signature: Path, shard_size: int | None, passphrase_file: Path | None, sigstore: bool,
    trust_config: Path | None, identity_token_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Sign a model; needs no workspace. (`countermark release` does it with the party's own OMS key.)

    With --sigstore (extra [sigstore]) things leave this machine: the identity token goes to the certificate authority, the
    names and digests of the files go to the log. Your identity (such as your e-mail address), its provider, the time and a
    digest of what was signed become public there, for ever. Without --trust-config that is the public instance, sigstore.dev.
    """
    from countermark.workspace.disk import Disk

    if (key is not None) == sigstore:
        raise Unusable("who signs is not said, or twice", mend="--key PEM, or --sigstore")
    if not sigstore and (trust_config or identity_token_file):
        raise Unusable("a key needs neither token nor Sigstore's configuration", mend="leave them out, or --sigstore")
    if key is not None:
        made, named, facts = _by_key(model, key, shard_size, passphrase_file, view)
    else:
        made, named, facts = _keyless(model, shard_size, trust_config, identity_token_file, view)
    Disk().write(signature, made, mode=0o644)
    what = "files" if shard_size is None else "shards"
    return Answer(
        f"signed: {named} {what}, bundle {signature}",
        facts={"file": str(signature), what: named, **({"keyless": facts} if facts else {})},
        body=[Pairs([*facts.items()])] if facts else [],
    )


def _by_key(
    model: Path, key: Path, shard_size: int | None, passphrase_file: Path | None, view: View
) -> tuple[bytes, int, dict[str, str]]:
    from countermark.keys.signer import load
    from countermark.lifecycle import oms as stage

    signer = load(key, "oms", compose.read_passphrase(passphrase_file) if passphrase_file else None)
    with Bar(view) as bar:
        bar.expect(model)
        made, named = stage.bundle(model, signer, shard_size=shard_size, progress=bar.files)
    return made, named, {}


def _keyless(
    model: Path, shard_size: int | None, trust_config: Path | None, token_file: Path | None, view: View
) -> tuple[bytes, int, dict[str, str]]:
    from countermark.keys import keyless
    from countermark.lifecycle import oms as stage
    from countermark.lifecycle.desk import read_file

    keyless.import_library()
    config = read_file(trust_config, keyless.MAX_CONFIG_BYTES) if trust_config else None
    token = (
        compose.read_secret(token_file, "identity token", keyless.MAX_TOKEN_BYTES) if token_file
        else str(click.prompt("Identity token", hide_input=True, err=True)).encode()
    )  # fmt: skip
    with Bar(view) as bar:
        bar.expect(model)
        made, manifest = stage.keyless_bundle(model, token, config, shard_size=shard_size, progress=bar.files)
    return made, len(manifest.resources), _signed_by(manifest.keyless, trust_config)


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
        "log entry": str(keyless.log_index), "trust root": str(root) if root else "of the public instance",
    }  # fmt: skip
