"""The group `countermark broker`, and what its commands share."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._command import PATH

HOME = click.option(
    "--home", type=PATH, default=Path("broker"), show_default=True, metavar="DIR", help="The broker's folder."
)


@click.group()
def broker() -> None:
    """Release the keys of sealed assets on evidence: by HTTP, and by files without a network."""


def pin() -> bytes | None:
    """Ask for the PIN of a key in a token; None where nothing was typed."""
    return str(click.prompt("PIN", hide_input=True, err=True, default="", show_default=False)).encode() or None
