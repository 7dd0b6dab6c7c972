"""``countermark oms``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER


@click.group("oms")
def command() -> None:
    """OpenSSF Model Signing bundles, as `model_signing` writes and verifies them.

    \b
    Examples:
      countermark oms sign model/ --key ec.pem --signature model.sig
      countermark oms verify model/ --signature model.sig --public-key ec.pub
    """


@command.command("sign")
@click.argument("folder", type=EXISTING)
@click.option("--key", type=EXISTING, required=True, help="ECDSA P-256 private key, PEM.")
@click.option("--signature", type=FOLDER, required=True, help="Bundle to write.")
@click.option("--passphrase-file", type=EXISTING)
def sign(folder: Path, key: Path, signature: Path, passphrase_file: Path | None) -> None:
    """Sign a model folder."""
    from countermark.compose import read_passphrase
    from countermark.keys.signer import load
    from countermark.lifecycle.release import sha256_files
    from countermark.statement import oms

    signer = load(key, "oms", read_passphrase(passphrase_file) if passphrase_file else None)
    payload = oms.statement(sha256_files(folder).items(), name=folder.name)
    signature.write_bytes(oms.sign(payload, sign=signer.sign, spki_pem=signer.public.pem()))
    show.verdict(f"wrote {signature}", good=True)


@command.command("verify")
@click.argument("folder", type=EXISTING)
@click.option("--signature", type=EXISTING, required=True)
@click.option("--public-key", type=EXISTING, help="PEM.")
@click.option("--certificate-chain", type=EXISTING, multiple=True, help="Root and intermediate certificates, PEM.")
@click.option("--ignore-path", multiple=True, help="Path that you allow to be unsigned; may be repeated.")
def verify(folder: Path, signature: Path, public_key: Path | None, certificate_chain: tuple[Path, ...],
           ignore_path: tuple[str, ...]) -> None:  # fmt: skip
    """Verify a model folder against a bundle; what is ignored is the verifier's choice, never the signer's."""
    from countermark.compose import clock
    from countermark.errors import Unusable
    from countermark.lifecycle.desk import read_file
    from countermark.lifecycle.release import sha256_files
    from countermark.statement import oms
    from countermark.statement.oms_keys import CertificateTrust, KeyTrust

    if bool(public_key) == bool(certificate_chain):
        raise Unusable("one kind of trust is needed", mend="--public-key PEM or --certificate-chain PEM")
    trust = KeyTrust(read_file(public_key)) if public_key else CertificateTrust(
        tuple(read_file(c) for c in certificate_chain), clock()
    )  # fmt: skip
    manifest = oms.verify(read_file(signature, oms.MAX_BUNDLE_BYTES), trust)
    beside = [signature.name] if signature.parent.resolve() == folder.resolve() else []
    manifest.compare(sha256_files(folder), exclude=[*ignore_path, *beside])
    show.verdict(f"{len(manifest.resources)} files are exactly those signed as {manifest.name!r}", good=True)
