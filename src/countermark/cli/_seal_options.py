"""The options of `countermark seal`, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._command import PATH
from countermark.cli._options import taken_as
from countermark.cli._sealing import bound_licence, new_words, recipient
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.seal.stanza import Recipient

KINDS = ("model", "dataset", "recipe", "other")
CIPHERS = {"aes-256-gcm": 1, "chacha20-poly1305": 2}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, each as its option says; `to` are those of ``--for``, `named` those of ``--field``."""

    asset: Path
    to: tuple[str, ...]
    with_passphrase: bool
    new_passphrase_file: Path | None
    kind: str
    out: Path | None
    licences: tuple[str, ...]
    cipher: str
    hashing: str
    named: tuple[str, ...]
    before: Path | None
    key: str | None
    signing_key: Path | None

    def recipients(self, workspace: Path | None) -> Sequence[Recipient]:
        """For whom it is sealed.

        Raises:
            Unusable: for nobody, or a key cannot be read. Refusal: a public half does not hold.
        """
        found = [recipient(text, workspace) for text in self.to]
        if self.with_passphrase or self.new_passphrase_file:
            found.append(new_words(self.new_passphrase_file))
        if not found:
            raise Unusable(
                "for whom is not said", mend="--for NAME.sealpub (`countermark recipients new NAME` makes one)"
            )
        return found

    def target(self, suffix: str) -> Path:
        """Where it is written."""
        return self.out or self.asset.with_name(self.asset.name + suffix)

    def bound(self) -> dict[str, str]:
        """Licences that copies of the key are bound to, by recipient."""
        return dict(bound_licence(text) for text in self.licences)


seal_options = taken_as("asked", Asked, [one.name for one in fields(Asked)], (
    click.argument("asset", type=PATH),
    click.option("--for", "to", multiple=True, metavar="KEY", help="A recipient's .sealpub file, NAME=age1..., or NAME=URI of a key in a "
                 "trusted element; may be repeated. Name yourself, or you cannot open it either."),
    click.option("--with-passphrase", is_flag=True, help="For whoever knows a passphrase, and nobody else."),
    click.option("--new-passphrase-file", type=PATH, metavar="FILE", help="File whose first line is that passphrase."),
    click.option("--kind", type=click.Choice(KINDS), required=True, help="What the asset is; policy may ask for it."),
    click.option("--out", type=PATH, metavar="FILE", help="Default: ASSET.cmsealed, beside it."),
    click.option("--licence", "licences", multiple=True, metavar="NAME=FILE",
                 help="Bind a recipient's copy of the key to a licence."),
    click.option("--cipher", type=click.Choice(list(CIPHERS)), default="aes-256-gcm", show_default=True, help="chacha20-poly1305 where "
                 "readers have no AES in hardware."),
    click.option("--hash", "hashing", type=click.Choice(["blake3", "sha256"]), default="blake3", show_default=True,
                 help="Of the ciphertext."),
    click.option("--field", "named", multiple=True, metavar="PATH[=NAME,...]", help="Of a TOML, YAML or JSON file, seal this field and all "
                 "below it alone, for all recipients or for those named; may be repeated."),
    click.option("--before", type=PATH, metavar="FILE", help="The version before (.cmfields), with --key: fields that did not change are "
                 "proven not to have."),
    click.option("--key", metavar="KEY", help="A key that opens the version before."),
    click.option("--signing-key", type=PATH, metavar="PEM", help="Statement key to sign with; default: this workspace's."),
))  # fmt: skip
"""Adds them to a command, which takes them as `asked`."""
