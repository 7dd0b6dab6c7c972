"""The terms of a licence as options: what is not named is denied in a grant, and stays as it is in a sublicence."""

from __future__ import annotations

from typing import Any

import click

from countermark.cli._command import PATH
from countermark.cli._options import taken_as

USES = ("infer", "evaluate", "fine-tune", "distil", "quantise", "embed", "redistribute", "train-on")
_OPTIONS = (
    click.option("--use", "uses", multiple=True, type=click.Choice(USES), help="What it may be used for; repeat it."),
    click.option("--field", "fields", multiple=True, metavar="WORD", help="Field of use, '*' for any; repeat it."),
    click.option("--territory", multiple=True, metavar="CODE", help="ISO 3166 code (DE, US-CA), '*' for any; repeat it."),
    click.option("--days", type=click.FloatRange(0, 36_500, min_open=True), help="How long it counts, from now on."),
    click.option("--max-loads", metavar="N", help="How often it may be loaded; a number, or unlimited."),
    click.option("--max-queries", metavar="N[/SPAN]", help="Pictures asked, as 1000/1d, 50000 in all, or unlimited."),
    click.option("--max-hosts", metavar="N", help="On how many hosts; a number, or unlimited."),
    click.option("--host", metavar="KIND|FILE", help="none, software-key, pkcs11-key, or a JSON file of a TPM's or TEE's."),
    click.option("--host-key", "host_keys", multiple=True, type=PATH, metavar="PEM",
                 help="Public key of a host (default: the licensee's licence key); repeat it."),
    click.option("--meter", type=PATH, metavar="VKEY",
                 help="The .vkey of a broker that counts: without its answer nothing is loaded or asked. The host is one with a key."),
    click.option("--lease", metavar="SPAN", help="How old the newest beacon may be: 30d; none asks for no beacons."),
    click.option("--grace", metavar="SPAN", help="How much longer, with a warning: 7d."),
    click.option("--on-lapse", type=click.Choice(["refuse", "advisory"]), help="What then."),
    click.option("--revocation", metavar="PLACE", help="Where lists of revoked licences are had; none asks for none."),
    click.option("--sublicense", "depth", type=click.IntRange(0, 7), help="How many sublicences may follow one another."),
    click.option("--sublicense-use", "sub_uses", multiple=True, type=click.Choice(USES), help="What those may grant."),
    click.option("--transfer/--no-transfer", default=None, help="Whether it may pass to another licensee."),
    click.option("--derivatives", type=click.Choice(["denied", "inherit", "free"]),
                 help="What is made of it: denied, under this licence, or the licensee's own."),
    click.option("--fingerprint", metavar="ID", help="The mark in this licensee's copy."),
    click.option("--text", type=PATH, metavar="FILE", help="The legal text, which prevails; its digest is signed."),
    click.option("--co-signer", "co_signers", multiple=True, metavar="PARTY", help="Who must sign as well; repeat it."),
)  # fmt: skip


_NAMES = (
    "uses", "fields", "territory", "days", "max_loads", "max_queries", "max_hosts", "host", "host_keys", "meter", "lease", "grace",
    "on_lapse", "revocation", "depth", "sub_uses", "transfer", "derivatives", "fingerprint", "text", "co_signers",
)  # fmt: skip


def _named(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in (None, ())}


terms = taken_as("named", _named, _NAMES, _OPTIONS)
"""Adds the options; the command gets what was named as `named`, a dictionary."""
