"""`countermark broker key`: the key that a host shows evidence with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._broker import broker, pin
from countermark.cli._command import command
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.keys.uri import KeyUri


@command("key", group=broker, examples=[
    "countermark broker key plant-7",
    "countermark broker key plant-7 --in 'tpm:handle=0x81010001'",
])  # fmt: skip
@click.argument("name")
@click.option("--in", "place", metavar="URI", help="Make it in a PKCS#11 token or a TPM, which it never leaves.")
@click.option("--algorithm", type=click.Choice(["ed25519", "ecdsa-p256"]), default="ecdsa-p256", show_default=True)
def host_key(name: str, place: str | None, algorithm: str) -> Answer:
    """Make a key that a host shows evidence with, and print the id that an owner names in his rules.

    A file proves that somebody has the file. A key in a TPM is an attestation key: it signs quotes and nothing else, and NAME.tpm
    is what its owner enrols it by (`broker credential`). A software TPM is a test double and proves nothing.
    """
    from countermark.keys import held, signer, uri

    if place is None:
        made = signer.generate("host", algorithm)  # type: ignore[arg-type]
        path = Path(f"{name}.hostkey")
        made.save(path)
        return _key_made("software", made.public.id, str(path))
    where = uri.parse(place)
    if where.scheme == "tpm":
        return _tpm_key_made(name, where)
    if where.scheme != "pkcs11":
        raise Unusable(f"a host's key is not made in {where.scheme}", mend="a file, pkcs11: or tpm:")
    kept = held.make(where, "host", algorithm, held.pin_of(where, pin))  # type: ignore[arg-type]
    return _key_made("pkcs11", kept.public.id, place)


def _tpm_key_made(name: str, where: KeyUri) -> Answer:
    from countermark.broker.tpm_host import TpmHost
    from countermark.keys import tpm_credential, tpm_quote
    from countermark.workspace.disk import Disk

    made = tpm_quote.make_attestation_key(where)
    host = TpmHost(tpm_quote.read_area(where), tpm_credential.read_endorsement(where).point)
    Disk().write(Path(f"{name}.tpm"), host.to_bytes(), mode=0o644)
    return _key_made("tpm-quote", made.name.hex(), where.text)


def _key_made(kind: str, key: str, place: str) -> Answer:
    return Answer(f"made: evidence {kind}, key {key}", facts={"evidence": kind, "id": key, "place": place},
                  body=[Pairs([("evidence", kind), ("id", key), ("place", place)])])  # fmt: skip
