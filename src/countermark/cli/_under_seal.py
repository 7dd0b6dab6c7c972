"""The options of `countermark train` that put a run under seal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from countermark import canonical, compose
from countermark.cli._broker_host import KINDS, prover_of
from countermark.cli._command import PATH
from countermark.cli._options import taken_as
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.under_seal import UnderSeal
    from countermark.seal.manifest import Verified

_OPTIONS = (
    click.option("--sealed", "sealed", multiple=True, metavar="INPUT", help="Input of the recipe that must be sealed: PATH.cmsealed is opened "
                 "in memory, with a key from the broker. May be repeated."),
    click.option("--broker", metavar="URL", help="Who gives the keys of sealed inputs."),
    click.option("--with", "host_key", metavar="KEY", help="This host's evidence key (`countermark broker key`)."),
    click.option("--pcr", "pcrs", multiple=True, type=click.IntRange(0, 23), help="PCR to quote, with a TPM; may be repeated."),
    click.option("--for", "recipient", metavar="NAME", help="Name that the owners' rules release to; default: this party."),
    click.option("--seal-for", "seal_for", multiple=True, metavar="KEY", help="For whom the model is sealed: a .sealpub file, or NAME=URI."),
    click.option("--memory", type=PATH, metavar="DIR", help="Folder on a file system in memory; default: /dev/shm."),
    click.option("--at-rest", is_flag=True, help="Run although plaintext could reach a disk of this host; the class is then `at rest only`."),
    click.option("--claims", "show_claims", is_flag=True, help="Print what the run would bind itself to, for the owners' rules; run nothing."),
)  # fmt: skip
_NAMES = ("sealed", "broker", "host_key", "pcrs", "recipient", "seal_for", "memory", "at_rest", "show_claims")

under_seal_options = taken_as("seal", dict, _NAMES, _OPTIONS)
"""Adds them to a command, which takes them as one dictionary, `seal`."""


def under_seal_of(desk: Desk, said: Mapping[str, Any]) -> UnderSeal | None:
    """What the options ask for; None where no input is sealed.

    Raises:
        Unusable: an option is missing, or stands without ``--sealed``.
    """
    if not said["sealed"]:
        if any(said[name] for name in ("broker", "host_key", "pcrs", "recipient", "seal_for", "memory", "at_rest")):
            raise Unusable("which inputs are sealed is not said", mend="--sealed INPUT, as the recipe names it")
        return None
    for name, option in (
        ("broker", "--broker URL"),
        ("host_key", "--with KEY"),
        ("seal_for", "--seal-for OWNER.sealpub"),
    ):
        if not said[name]:
            raise Unusable(f"a run under seal needs {option}", mend="see docs/how-to/train-under-seal.md")
    from countermark.broker import client, prove
    from countermark.cli._sealing import recipient
    from countermark.lifecycle import seal, under_seal
    from countermark.seal import registry

    prover = prover_of(said["host_key"], said["pcrs"], None)
    name = said["recipient"] or desk.party

    def key_for(handle: Verified, claimed: Mapping[str, str]) -> bytearray:
        asset = prove.Asset(handle.signed_by, handle.manifest.prelude, name, claims=claimed)
        return client.ask(said["broker"], asset, prover)

    kind = KINDS[said["host_key"].partition(":")[0] if registry.is_uri(said["host_key"]) else ""]
    return under_seal.UnderSeal(
        frozenset(said["sealed"]), seal.reader_of(desk), key_for, [recipient(text, desk.space.root) for text in said["seal_for"]],
        seal.sealer_of(desk), kind, policy_digest(desk), said["memory"] or under_seal.MEMORY, said["at_rest"],
    )  # fmt: skip


def policy_digest(desk: Desk) -> str:
    """Digest of the policy that this workspace judges by."""
    return canonical.sha256_hex(compose.policy_of(desk, None))
