"""The options of `countermark open`, as one value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import click

from countermark.cli._command import PATH
from countermark.cli._options import taken_as
from countermark.errors import Unusable


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, each as its option says."""

    sealed: Path
    key: str | None
    with_passphrase: bool
    out: Path | None
    check: bool
    kind: str | None
    jwe_key: Path | None
    kid: str
    signed_by: tuple[Path, ...]
    by: str | None

    def refuse_beside_check(self) -> None:
        """Refuse what a check of the ciphertext would not read.

        Raises:
            Unusable: a key, a passphrase or a place to write is named.
        """
        if self.key or self.with_passphrase or self.out:
            raise Unusable("--check needs no key and writes nothing", mend="leave the others out")


open_options = taken_as("asked", Asked, [one.name for one in fields(Asked)], (
    click.argument("sealed", type=PATH),
    click.option("--key", metavar="KEY", help="A .sealkey file, or the URI of a key in a trusted element."),
    click.option("--with-passphrase", is_flag=True, help="It was sealed for a passphrase."),
    click.option("--out", type=PATH, metavar="PATH", help="Folder or file to write; default: the name that was sealed, here."),
    click.option("--check", is_flag=True,
                 help="Read the whole ciphertext and hold it against its manifest; needs no key, writes nothing."),
    click.option("--kind", type=click.Choice(["model", "dataset", "recipe", "other"]), help="Refuse an asset of another kind."),
    click.option("--jwe-key", type=PATH, metavar="FILE", help="Write a JWE (A256KW, A256GCM) of the one file for a server instead; FILE holds "
                 "its 32-byte key in hex, mode 0600."),
    click.option("--kid", metavar="NAME", default="", help="Name of that key, in clear in the JWE."),
    click.option("--signed-by", type=PATH, multiple=True, metavar="PEM", help="Public statement key that must have sealed it; default: a "
                 "party of this workspace's project."),
    click.option("--by", metavar="PARTY", help="The only party of the project that may have sealed it."),
))  # fmt: skip
"""Adds them to a command, which takes them as `asked`."""
