"""Enrolling a host by its TPM: `countermark broker credential`, `activate`, `enrol`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._broker import broker
from countermark.cli._command import PATH, command

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
])  # fmt: skip
@click.argument("host", type=PATH)
@click.argument("answer", type=PATH)
@click.option("--credential", "asked", type=PATH, required=True, metavar="FILE", help="The challenge that it answers.")
def enrol(host: Path, answer: Path, asked: Path) -> Answer:
    """Check a host's answer, and print the id that rules name.

    Compare the endorsement key's id with its maker's certificate, or with what you read at the machine: a software TPM is a test double and passes
    this too.
    """
    from countermark.broker import tpm_host
    from countermark.lifecycle.desk import read_file

    attesting, endorsed = tpm_host.activated(_read(host), read_file(answer, 64), read_file(_kept(asked), 64))
    key = attesting.name.hex()
    return Answer(
        f"enrolled: attestation key {key}", facts={"evidence": "tpm-quote", "id": key, "endorsement": endorsed.id},
        body=[Pairs([("evidence", "tpm-quote"), ("id", key), ("endorsement key", endorsed.id),
                     ("cannot tell", "who made that endorsement key: compare its id")])],
    )  # fmt: skip


def _read(file: Path) -> TpmHost:
    from countermark.broker.tpm_host import MOST_BYTES, TpmHost
    from countermark.lifecycle.desk import read_file

    return TpmHost.from_bytes(read_file(file, MOST_BYTES))


def _kept(asked: Path) -> Path:
    return asked.with_name(asked.name + ".expected")
