"""The host's side of `countermark broker`: its evidence, asking over HTTP, and opening by what came back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs
from countermark.cli._broker import broker, pin
from countermark.cli._command import PATH, ask_passphrase, command, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._sealing import reader
from countermark.cli._show import View, count
from countermark.cli.recipients import SIGNED_BY
from countermark.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from countermark.broker import prove
    from countermark.ledger.note import NoteKey
    from countermark.seal.manifest import Verified
    from countermark.seal.opened import Opened

KINDS = {"": "software", "pkcs11": "pkcs11", "tpm": "tpm-quote"}
PROTECTS = {
    "at rest only": "at rest only: {ways}",
    "until first load": "until first load: whoever runs this host can copy what was loaded",
    "host-bound": "host-bound: the key is given to this host alone; whoever runs it can still read its memory",
}
OWNER = click.option("--owner", required=True, help="Party whose asset it is.")
AS = click.option(
    "--for", "recipient", required=True, metavar="NAME", help="Name that the owner's rule releases it to."
)
CLAIM = click.option("--claim", "claims", multiple=True, metavar="NAME=HEX", help="What it is going to run under, as the rule names it: "
                     "recipe, environment, policy.")  # fmt: skip
LICENCE = click.option("--licence", type=PATH, metavar="FILE", help="The licence that the copy is bound to.")
WITH = click.option("--with", "key", required=True, metavar="KEY", help="This host's evidence key: a .hostkey file, or the URI of one in a "
                    "PKCS#11 token or TPM.")  # fmt: skip
PCRS = click.option("--pcr", "pcrs", multiple=True, type=click.IntRange(0, 23), help="PCR to quote; may be repeated.")
LOG_KEY = click.option(
    "--log-key", type=PATH, metavar="FILE", help="The broker's .vkey: refuse a release that it did not log."
)
OUT = click.option("--out", type=PATH, required=True, metavar="PATH", help="Folder or file to write.")


@command("open", group=broker, examples=[
    "countermark broker open model.cmsealed --url http://127.0.0.1:8767 --owner acme --for plant-7 --with plant-7.hostkey --out model",
])  # fmt: skip
@click.argument("sealed", type=PATH)
@click.option("--url", required=True, help="Where the broker is asked; https outside this machine.")
@OWNER
@AS
@WITH
@PCRS
@CLAIM
@LICENCE
@LOG_KEY
@OUT
@SIGNED_BY
@workspace_options
@with_view
def open_asset(
    sealed: Path, url: str, owner: str, recipient: str, key: str, pcrs: tuple[int, ...], claims: tuple[str, ...], licence: Path | None,
    log_key: Path | None, out: Path, signed_by: tuple[Path, ...], workspace: Path | None, passphrase_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Show this host's evidence to a broker, and open a sealed asset with the key that it releases."""
    from countermark.broker import client
    from countermark.lifecycle import seal as stage

    handle = stage.verified(sealed, reader(signed_by, workspace))
    asset, prover = asset_of(handle, owner, recipient, claims, licence), prover_of(key, pcrs, passphrase_file)
    pinned = log_key_of(log_key)
    return opened(sealed, handle, lambda: client.ask(url, asset, prover, pinned), out, view, _kind(key))


def opened(
    sealed: Path, handle: Verified, key: Callable[[], bytearray], out: Path, view: View, evidence: str
) -> Answer:
    """Write a sealed asset in the clear, and say what protects it there.

    Args:
        key: gives the content key, once. evidence: kind that it was given on.

    Raises:
        As `key`, and what opening raises.
    """
    from countermark.lifecycle import seal as stage
    from countermark.sandbox import exposure

    opening: AbstractContextManager[Opened] = stage.opened_by(sealed, handle, key)
    with Bar(view) as bar, opening as files:
        stage.extract(files, out, progress=bar.files)
        host = exposure.read()
        ways = [way.what for way in exposure.ways(host)]
        if not exposure.in_memory(host.mounts, str(out.resolve())):
            ways.insert(0, f"{out} lies on a disk")
        shown = exposure.protection(evidence, tuple(exposure.Way(way, "") for way in ways))
        return Answer(
            f"opened: {count(len(files.paths), 'file')}, {out}",
            facts={"file": str(out), "kind": files.kind, "digest": files.digest, "protection": shown, "ways": ways},
            body=[Pairs([
                ("tree digest", files.digest), ("kind", files.kind), ("protects", PROTECTS.get(shown, shown).format(ways="; ".join(ways))),
                ("cannot tell", exposure.CANNOT_TELL),
            ])],
        )  # fmt: skip


def asset_of(
    handle: Verified, owner: str, recipient: str, claims: tuple[str, ...], licence: Path | None
) -> prove.Asset:
    """What this host asks for.

    Raises:
        Unusable: a claim is made twice, or the licence cannot be read.
    """
    from countermark.broker import prove
    from countermark.cli._sealing import licence_digest
    from countermark.seal.stanza import NO_LICENCE

    pairs = [claim.partition("=")[::2] for claim in claims]
    if len(dict(pairs)) != len(pairs):
        raise Unusable("a claim is made twice")
    return prove.Asset(
        owner, handle.manifest.prelude, recipient, licence_digest(licence) if licence else NO_LICENCE, dict(pairs)
    )


def prover_of(key: str, pcrs: tuple[int, ...], passphrase_file: Path | None) -> prove.Prover:
    """This host's evidence, by a key in a file, a token or a TPM.

    Raises:
        Unusable: it cannot be opened, or no PCR is named. MissingExtra: a library is absent.
    """
    from countermark.broker import prove
    from countermark.keys import held, signer, uri
    from countermark.seal import keyfile, registry

    if not registry.is_uri(key):
        path = Path(key)
        secret = None
        if keyfile.protected(path):
            secret = compose.read_passphrase(passphrase_file) if passphrase_file else ask_passphrase("host")
        return prove.by_key(signer.load(path, "host", secret))
    where = uri.parse(key)
    if where.scheme == "tpm":
        if not pcrs:
            raise Unusable("which PCRs to quote is not said", mend="--pcr 16")
        return prove.by_tpm(where, pcrs)
    return prove.by_key(held.in_element(where, "host", held.pin_of(where, pin)))


def _kind(key: str) -> str:
    from countermark.seal import registry

    return KINDS[key.partition(":")[0] if registry.is_uri(key) else ""]


def log_key_of(file: Path | None) -> NoteKey | None:
    """The broker's key in a .vkey file, or None.

    Raises:
        LedgerRefused: malformed. Unusable: unreadable.
    """
    from countermark.ledger.note import NoteKey
    from countermark.lifecycle.desk import read_file

    return NoteKey.from_vkey(read_file(file, 4096).decode(errors="replace")) if file else None


def ephemeral(asked: Path) -> Path:
    """Where the key lies that the answer to a request opens for."""
    return asked.with_name(asked.name + ".sealkey")
