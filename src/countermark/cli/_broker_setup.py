"""What a broker's operator sets up: the broker itself, whose deposits count, and collateral of enclaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._broker import HOME, broker, pin
from countermark.cli._command import PATH, command
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.broker.home import Home
    from countermark.seal.keyfile import PublicHalf


@command("init", group=broker, examples=[
    "countermark broker init vault",
    "countermark broker init vault --root 'pkcs11:token=vault;object=root?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:pin'",
])  # fmt: skip
@click.argument("name")
@click.option(
    "--root",
    metavar="URI",
    default="",
    help="A P-256 key pair in a PKCS#11 token that the broker's keys are sealed to.",
)
@HOME
def init(name: str, root: str, home: Path) -> Answer:
    """Make a broker: NAME.sealpub is what owners seal to, NAME.vkey what hosts check its release log with.

    Without --root the key that opens every deposit is a file, mode 0600: whoever copies the folder can open them all.
    """
    from countermark.broker.home import Home
    from countermark.seal import keyfile
    from countermark.workspace.disk import Disk

    public, vkey = Path(f"{name}{keyfile.PUBLIC}"), Path(f"{name}.vkey")
    said: list[tuple[PublicHalf, str]] = []

    def publish(made: Home) -> None:
        said.append((made.public(pin), made.log_key().vkey()))
        Disk().write(public, said[0][0].to_bytes(), mode=0o644)
        Disk().write(vkey, said[0][1].encode() + b"\n", mode=0o644)

    Home.make(home, name, root, pin, publish)
    half, log_key = said[0]
    return Answer(
        f"made: broker {name} in {home}; hand {public} to owners and {vkey} to hosts",
        facts={"home": str(home), "name": name, "id": half.key.id, "kind": half.key.kind, "log_key": log_key},
        body=[Pairs([("sealing key", half.key.id), ("kind", half.key.kind), ("root key", "PKCS#11 token" if root else "file mode only"),
                     ("log key", log_key)])],
    )  # fmt: skip


@command("tenant", group=broker, examples=["countermark broker tenant acme acme-statement.pub"])
@click.argument("owner")
@click.argument("keys", nargs=-1, required=True, type=PATH)
@HOME
def tenant(owner: str, keys: tuple[Path, ...], home: Path) -> Answer:
    """Say by which statement keys (PEM) an owner is known here from now on.

    Deposits that none of them signed stop counting at once. Compare the keys' ids with the owner over another channel.
    """
    from countermark.broker.home import Home
    from countermark.lifecycle.desk import read_file
    from countermark.seal.manifest import key_of_pem

    known = [key_of_pem(read_file(file, 16 << 10)) for file in keys]
    Home.open(home).deposits().enrol(owner, known)
    return Answer(f"enrolled: {owner} with {count(len(known), 'key')}", facts={"owner": owner, "keys": [key.id for key in known]},
                  body=[Table(("key",), [(key.id,) for key in known])])  # fmt: skip


@command("collateral", group=broker, examples=["countermark broker collateral tdx b0c06f000000 collateral.json"])
@click.argument("kind", type=click.Choice(["sgx", "tdx"]))
@click.argument("fmspc")
@click.argument("file", type=PATH)
@HOME
def collateral(kind: str, fmspc: str, file: Path, home: Path) -> Answer:
    """Keep Intel's collateral for one kind of platform, as `dcap-qvl` writes it; it counts until its next update is due."""
    from countermark.broker.home import Home
    from countermark.lifecycle.desk import read_file

    Home.open(home).deposits().keep_collateral(kind, fmspc.lower(), read_file(file, 1 << 20))
    return Answer(f"kept: collateral for {kind} platform {fmspc.lower()}", facts={"kind": kind, "fmspc": fmspc.lower()})
