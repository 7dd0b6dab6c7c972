"""The options of `countermark serve` that open a sealed model: a sealing key, or a key that a broker releases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._broker_host import KINDS, asset_of, ephemeral, log_key_of, prover_of
from countermark.cli._command import PATH
from countermark.cli._options import taken_as
from countermark.cli._sealing import identity
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.seal import Reader
    from countermark.lifecycle.seal_load import Keyed
    from countermark.seal.manifest import Verified

_HOW = "--seal-key KEY, --with-passphrase, --broker URL, or --answer FILE"
_OPTIONS = (
    click.option("--seal-key", metavar="KEY", help="Opens MODEL.cmsealed: a .sealkey file, or the URI of a key in a trusted element."),
    click.option("--with-passphrase", is_flag=True, help="It was sealed for a passphrase."),
    click.option("--broker", metavar="URL", help="Or a key broker that releases its key to this host."),
    click.option("--with", "host_key", metavar="KEY", help="This host's evidence key (`countermark broker key`)."),
    click.option("--pcr", "pcrs", multiple=True, type=click.IntRange(0, 23), help="PCR to quote, with a TPM; may be repeated."),
    click.option("--for", "recipient", metavar="NAME", help="Name that the owner's rule releases to; default: this party."),
    click.option("--claim", "claims", multiple=True, metavar="NAME=HEX", help="What it is going to run under, as the rule names it."),
    click.option("--log-key", type=PATH, metavar="FILE", help="The broker's .vkey: refuse a release that it did not log."),
    click.option("--answer", type=PATH, metavar="FILE", help="Or the broker's answer, carried here by file."),
    click.option("--request", "asked", type=PATH, metavar="FILE", help="The request that it answers (`countermark broker request`)."),
)  # fmt: skip
_NAMES = (
    "seal_key", "with_passphrase", "broker", "host_key", "pcrs", "recipient", "claims", "log_key", "answer", "asked",
)  # fmt: skip
_BROKER_ONLY, _FILES_ONLY = ("host_key", "pcrs", "recipient", "claims"), ("asked",)


sealed_options = taken_as("seal", dict, _NAMES, _OPTIONS)
"""Adds them to a command, which takes them as one dictionary, `seal`."""


def keyed_of(desk: Desk, model: Path, said: Mapping[str, Any], licence: Path | None) -> Keyed | None:
    """How the model is opened; None where it is a plain folder.

    Raises:
        Unusable: it is sealed and no way to open it is named, or two; or a way is named and it is not sealed, or one that does not go with another.
    """
    from countermark.lifecycle import seal

    ways = [name for name in ("seal_key", "with_passphrase", "broker", "answer") if said[name]]
    if model.suffix != seal.SUFFIX:
        if any(said[name] for name in _NAMES):
            raise Unusable(f"{model.name} is not sealed", why="a way to open it is named", mend="name MODEL.cmsealed")
        return None
    if len(ways) != 1:
        raise Unusable("how to open the sealed model is not said, or twice", mend=_HOW)
    _refuse_strays(said, ways[0])
    reader = seal.reader_of(desk)
    if ways[0] == "broker":
        return _by_broker(desk, reader, said, licence)
    return _by_answer(reader, said, licence) if ways[0] == "answer" else _by_identity(reader, said)


def _refuse_strays(said: Mapping[str, Any], way: str) -> None:
    """An option that the way would not read is refused: it would silently do nothing."""
    read = {"broker": (*_BROKER_ONLY, "log_key"), "answer": (*_FILES_ONLY, "log_key")}.get(way, ())
    for name in (*_BROKER_ONLY, *_FILES_ONLY, "log_key"):
        if said[name] and name not in read:
            raise Unusable(f"{_option(name)} does nothing beside {_option(way)}", mend="leave one out")
    for needed in {"broker": ("host_key",), "answer": ("asked",)}.get(way, ()):
        if not said[needed]:
            raise Unusable(f"{_option(way)} needs {_option(needed)}", mend="see docs/how-to/serve-a-model.md")


def _option(name: str) -> str:
    renamed = {"host_key": "with", "pcrs": "pcr", "recipient": "for", "claims": "claim", "asked": "request"}
    return "--" + renamed.get(name, name).replace("_", "-")


def _by_identity(reader: Reader, said: Mapping[str, Any]) -> Keyed:
    from countermark.lifecycle.seal_load import Keyed, key_of
    from countermark.seal import registry

    mine = identity(said["seal_key"], said["with_passphrase"], None)
    text = said["seal_key"] or ""
    return Keyed(reader, key_of(mine), KINDS[text.partition(":")[0]] if registry.is_uri(text) else "")


def _by_broker(desk: Desk, reader: Reader, said: Mapping[str, Any], licence: Path | None) -> Keyed:
    from countermark.broker import client
    from countermark.lifecycle.seal_load import Keyed
    from countermark.seal import registry

    text = said["host_key"]
    prover, pinned = prover_of(text, said["pcrs"], None), log_key_of(said["log_key"])

    def key(handle: Verified, _licence: str) -> bytearray:
        asset = asset_of(handle, handle.signed_by, said["recipient"] or desk.party, said["claims"], licence)
        return client.ask(said["broker"], asset, prover, pinned)

    return Keyed(reader, key, KINDS[text.partition(":")[0] if registry.is_uri(text) else ""])


def _by_answer(reader: Reader, said: Mapping[str, Any], licence: Path | None) -> Keyed:
    """The answer is for one request; its ephemeral key is deleted once the model was opened, as `broker take` does."""
    from countermark.broker import prove
    from countermark.broker.request import MOST_ANSWER, MOST_REQUEST, Request
    from countermark.lifecycle.desk import read_file
    from countermark.lifecycle.seal_load import Keyed
    from countermark.seal import keyfile
    from countermark.seal.stanza import NO_LICENCE

    asked = Request.from_bytes(read_file(said["asked"], MOST_REQUEST))
    answer, pinned = read_file(said["answer"], MOST_ANSWER), log_key_of(said["log_key"])

    def key(handle: Verified, under: str) -> bytearray:
        if asked.licence not in (NO_LICENCE, under):
            raise Unusable(
                "the request was made under another licence", why=asked.licence[:16], mend="--license FILE, that one"
            )
        asset = prove.Asset(handle.signed_by, handle.manifest.prelude, asked.recipient, asked.licence, asked.claims)
        found = prove.content_key(asset, answer, keyfile.load(ephemeral(said["asked"])), pinned, asked.challenge)
        ephemeral(said["asked"]).unlink()
        return found

    return Keyed(reader, key, asked.evidence.kind)
