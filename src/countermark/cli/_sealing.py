"""What sealing's commands share: who signs, whom to trust, for whom, and with which key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._command import ask_passphrase, sitting
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.seal import Reader, Sealer
    from countermark.seal.manifest import Authority
    from countermark.seal.stanza import Identity, Recipient


def sealer(signing_key: Path | None, workspace: Path | None, passphrase_file: Path | None) -> Sealer:
    """Who signs: a key file named on the command line, else the workspace's party."""
    from countermark.lifecycle import seal as stage

    if signing_key is None:
        return stage.sealer_of(sitting(workspace, passphrase_file))
    from countermark.keys.signer import load

    secret = compose.read_passphrase(passphrase_file) if passphrase_file else None
    at = compose.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    return stage.Sealer([load(signing_key, "statement", secret)], "", at)


def reader(signed_by: tuple[Path, ...], workspace: Path | None, party: str | None = None) -> Reader:
    """Whom to trust: keys named on the command line, else the parties of the workspace's project."""
    from countermark.lifecycle import seal as stage

    if not signed_by:
        found = compose.desk_if_any(workspace)
        if found is None:
            raise Unusable(
                "whom to trust is not said", why="there is no workspace here", mend="--signed-by statement.pub"
            )
        return stage.reader_of(found, party or "")
    if party:
        raise Unusable("a key is named, and a party too", mend="--signed-by PEM, or --by PARTY in a workspace")
    return stage.Reader(_pinned(signed_by))


def _pinned(files: tuple[Path, ...]) -> Authority:
    from countermark.lifecycle.desk import read_file
    from countermark.seal.manifest import by_keys, key_of_pem

    return by_keys(key_of_pem(read_file(file, 16 << 10)) for file in files)


def recipient(text: str, workspace: Path | None) -> Recipient:
    """A recipient as ``--for`` names it."""
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle.desk import read_file
    from countermark.seal import keyfile, registry

    name, equals, place = text.partition("=")
    if equals and place.startswith("age1"):
        from countermark.seal.age import AgeRecipient

        return AgeRecipient(name, place)
    if equals and registry.is_uri(place):
        return registry.recipient_at(place, name, _pin)
    found = compose.desk_if_any(workspace)
    authority = stage.reader_of(found).authority if found is not None and found.pinned() else None
    half, _ = keyfile.read_public(read_file(Path(text), keyfile.MOST_BYTES), authority)
    return half.recipient()


def identity(key: str | None, passphrase: bool, file: Path | None) -> Identity:
    """A private side as ``--key`` names it, or a passphrase."""
    from countermark.seal import keyfile, registry
    from countermark.seal import passphrase as words

    if (key is None) != passphrase:
        raise Unusable("how to open it is not said, or twice", mend="--key NAME.sealkey, or --with-passphrase")
    if key is None:
        return words.PassphraseIdentity(compose.read_passphrase(file) if file else ask_passphrase("sealed file's"))
    if registry.is_uri(key):
        return registry.identity_at(key, _pin)
    path = Path(key)
    if secret := keyfile.age_secret(path):
        from countermark.seal.age import AgeIdentity

        return AgeIdentity(secret)
    if not keyfile.protected(path):
        return keyfile.load(path)
    return keyfile.load(path, compose.read_passphrase(file) if file else ask_passphrase("sealing"))


def refuse_missing(sealed: Path) -> None:
    """Refuse a sealed file that is not there, before its manifest is missed.

    Raises:
        Unusable: it is not there.
    """
    if not sealed.exists():
        raise Unusable(f"cannot read {sealed}", why="No such file or directory", mend="check the path")


def licence_digest(file: Path) -> str:
    """What a licence is known by: hex SHA-256 of its envelope's payload."""
    from countermark import dsse
    from countermark.lifecycle.desk import read_file

    return dsse.Envelope.from_bytes(read_file(file, 1 << 20), what=file.name).digest


def bound_licence(text: str) -> tuple[str, str]:
    """Recipient and digest, of ``NAME=FILE``."""
    name, equals, file = text.partition("=")
    if not equals:
        raise Unusable(f"{text!r:.80} binds nobody to a licence", mend="--licence NAME=FILE")
    return name, licence_digest(Path(file))


def new_words(file: Path | None) -> Recipient:
    """A passphrase to seal for, from a file or asked for twice."""
    from countermark.cli.init import new_passphrase
    from countermark.seal.passphrase import PassphraseRecipient

    return PassphraseRecipient(new_passphrase(True, file) or b"")


def _pin() -> bytes | None:
    return str(click.prompt("PIN", hide_input=True, err=True, default="", show_default=False)).encode() or None
