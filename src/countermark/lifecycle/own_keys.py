"""This party's own keys, one for each use: made in a file or a trusted element, or taken from one; what a newer one replaces is kept aside."""

from __future__ import annotations

from countermark.keys import held
from countermark.keys import signer as keyfiles
from countermark.keys.signer import Signer
from countermark.keys.uri import KeyUri
from countermark.keys.verifier import POST_QUANTUM, Algorithm, Use
from countermark.workspace.place import Workspace


def new_key(space: Workspace, use: Use, algorithm: Algorithm, passphrase: bytes | None) -> keyfiles.FileSigner:
    """Make and keep this party's key for one use; an old one is kept aside under its id.

    Raises:
        Unusable: the key cannot be written.
    """
    signer = keyfiles.generate(use, "ecdsa-p256" if use == "oms" and algorithm == "ed25519" else algorithm)
    second = algorithm in POST_QUANTUM
    _put_aside(space, use, signer.public.id, second=second)
    signer.save(space.folder("keys") / f"{use}{held.SECOND if second else '.pem'}", passphrase)
    return signer


def new_token_key(space: Workspace, use: Use, algorithm: Algorithm, where: KeyUri, pin: bytes | None) -> Signer:
    """Make this party's key for one use in a trusted element; an old one is kept aside.

    Raises:
        Unusable: it cannot be made there. MissingExtra: its library is absent.
    """
    made = held.make(where, use, algorithm, pin)
    _name_key(space, use, where, made)
    return made


def use_token_key(space: Workspace, use: Use, where: KeyUri, pin: bytes | None) -> Signer:
    """Take a key that is in a trusted element or service already as this party's for one use; an old one is kept aside.

    Raises:
        Unusable, SignatureRefused: it cannot be opened, or does not sign. MissingExtra: its library is absent.
    """
    found, pinned = held.take(where, use, pin)
    found.sign(b"countermark: does this key sign?")
    _name_key(space, use, pinned, found)
    return found


def _name_key(space: Workspace, use: Use, where: KeyUri, key: Signer) -> None:
    _put_aside(space, use, key.public.id, second=False)
    space.disk.write(space.folder("keys") / f"{use}.uri", where.text.encode() + b"\n", mode=0o600)


def _put_aside(space: Workspace, use: Use, newer: str, *, second: bool) -> None:
    """Keep what the newer key replaces, under a name that says so."""
    folder = space.folder("keys")
    for suffix in (held.SECOND,) if second else held.PRIMARY:
        path = folder / f"{use}{suffix}"
        if path.exists():
            space.disk.move(path, path.with_name(f"{use}.until-{newer[:16]}{suffix}"))
