"""Enrolling a host by its TPM: `countermark broker credential`, `activate`, `enrol`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs
from countermark.cli._broker import broker
from countermark.cli._command import PATH, command
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.broker.tpm_host import TpmHost

OUT = click.option("--out", type=PATH, required=True, metavar="FILE", help="To carry to the other side.")


@command("credential", group=broker, examples=["countermark broker credential plant-7.tpm --out plant-7.credential"])
@click.argument("host", type=PATH)
@OUT
def credential(host: Path, out: Path) -> Answer:
    """Challenge a host's TPM to show that its attestation key is in it. OUT.expected stays here, for `broker enrol`."""
    from countermark.broker import tpm_host
    from countermark.workspace.disk import Disk

    asked, kept = tpm_host.challenge(_read(host))
    Disk().write(_kept(out), kept)
    Disk().write(out, asked, mode=0o644)
    return Answer(f"made: carry {out} to the host", facts={"file": str(out), "expected": str(_kept(out))})


@command("activate", group=broker, examples=[
    "countermark broker activate plant-7.credential --with tpm:handle=0x81010001 --out plant-7.activated",
])  # fmt: skip
@click.argument("asked", type=PATH, metavar="CREDENTIAL")
@click.option("--with", "key", required=True, metavar="URI", help="The attestation key, in this host's TPM.")
@OUT
def activate(asked: Path, key: str, out: Path) -> Answer:
    """Answer a challenge with this host's TPM."""
    from countermark.keys import tpm_credential, uri
    from countermark.lifecycle.desk import read_file
    from countermark.workspace.disk import Disk

    given = tpm_credential.activate(uri.parse(key), read_file(asked, tpm_credential.MOST_CHALLENGE))
    Disk().write(out, given)
    return Answer(f"activated: carry {out} back to the owner", facts={"file": str(out)})


@command("enrol", group=broker, examples=[
    "countermark broker enrol plant-7.tpm plant-7.activated --credential plant-7.credential",
    "countermark broker enrol plant-7.tpm plant-7.activated --credential plant-7.credential --ek-cert ek.crt --roots tpm-roots",
])  # fmt: skip
@click.argument("host", type=PATH)
@click.argument("answer", type=PATH)
@click.option("--credential", "asked", type=PATH, required=True, metavar="FILE", help="The challenge that it answers.")
@click.option("--ek-cert", "certificates", multiple=True, type=PATH, metavar="FILE",
              help="The endorsement key's certificate (DER or PEM), then those between it and a root.")  # fmt: skip
@click.option(
    "--roots", type=PATH, metavar="DIR", help="Root certificates of the TPM makers that you trust, a file each."
)
def enrol(host: Path, answer: Path, asked: Path, certificates: tuple[Path, ...], roots: Path | None) -> Answer:
    """Check a host's answer, and print the id that rules name.

    With --roots the endorsement key must have a certificate that leads to one of them; revocation lists are not asked for. Without, it is
    not vouched for: compare its id with its maker's certificate, or with what you read at the machine. A software TPM is a test double and
    passes that.
    """
    from countermark.broker import tpm_host
    from countermark.lifecycle.desk import read_file

    attesting, endorsed = tpm_host.activated(_read(host), read_file(answer, 64), read_file(_kept(asked), 64))
    maker = _vouched(endorsed.point, certificates, roots)
    key, told = attesting.name.hex(), maker or "nobody: EK not vouched for; compare its id"
    return Answer(
        f"enrolled: attestation key {key}" + ("" if maker else "; EK not vouched for"),
        facts={"evidence": "tpm-quote", "id": key, "endorsement": endorsed.id, "vouched_for_by": maker},
        body=[Pairs([("evidence", "tpm-quote"), ("id", key), ("endorsement key", endorsed.id), ("vouched for by", told)])],
    )  # fmt: skip


def _vouched(point: bytes, files: tuple[Path, ...], roots: Path | None) -> str | None:
    """The root that vouches for an endorsement key; None where no roots were named."""
    from countermark.keys import ek_certificate
    from countermark.lifecycle.desk import read_file

    if (roots is None) != (not files):
        raise Unusable("a certificate and roots belong together", mend="--ek-cert ek.crt --roots DIR")
    if roots is None:
        return None
    given = [one for file in files for one in ek_certificate.read(read_file(file, ek_certificate.MOST_FILE), file.name)]
    found = ek_certificate.vouched(point, given, ek_certificate.roots_of(roots), compose.clock())
    return f"{found.root} ({found.depth} certificates, serial {found.serial})"


def _read(file: Path) -> TpmHost:
    from countermark.broker.tpm_host import MOST_BYTES, TpmHost
    from countermark.lifecycle.desk import read_file

    return TpmHost.from_bytes(read_file(file, MOST_BYTES))


def _kept(asked: Path) -> Path:
    return asked.with_name(asked.name + ".expected")
