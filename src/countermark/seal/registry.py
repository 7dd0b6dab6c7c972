"""Which kinds of recipients there are, and which module knows each; a module is loaded only where its kind is used.

A module of the registry has ``recipient(where, name, pin)`` and ``identity(where, pin)``, which take a parsed `KeyUri`, and give a
`Recipient` and an `Identity`. `pin` is a function that asks for the PIN where the URI names no file; it may give None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from countermark.errors import Unusable
from countermark.keys import held, uri
from countermark.seal import hpke, passphrase
from countermark.seal.stanza import Identity, Recipient

Pin = Callable[[], bytes | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of stanza.

    Attributes:
        says: what it is, for people. protects: where the private half lies. alone: whether its list holds nothing else.
    """

    says: str
    protects: str
    alone: bool = False


KINDS: dict[str, Kind] = {
    hpke.XWING: Kind("HPKE, ML-KEM-768 with X25519", "file, or memory"),
    hpke.P256: Kind("HPKE, P-256", "file, or PKCS#11 token"),
    "age-x25519": Kind("age, X25519", "age's key file"),
    passphrase.KIND: Kind("passphrase, scrypt", "whoever knows it", alone=True),
    "pkcs11-aes-kw": Kind("AES key wrap", "PKCS#11 token"),
    "tpm-sealed": Kind("sealed to a TPM 2.0 under a policy", "TPM"),
}
SCHEMES: dict[str, str] = {
    "pkcs11": "countermark.seal.pkcs11_recipient",
    "tpm": "countermark.seal.tpm_recipient",
}
"""URI scheme -> module; a trusted element's module enters its scheme here and its kinds in `KINDS`."""


def recipient_at(text: str, name: str, pin: Pin) -> Recipient:
    """The recipient whose key a URI names.

    Raises:
        Unusable: no such scheme or key. MissingExtra: its library is absent.
    """
    where = uri.parse(text)
    made: Recipient = _module(where.scheme).recipient(where, name, pin)
    return made


def identity_at(text: str, pin: Pin) -> Identity:
    """The private side that a URI names.

    Raises:
        As `recipient_at`.
    """
    where = uri.parse(text)
    made: Identity = _module(where.scheme).identity(where, pin)
    return made


def pin_at(where: uri.KeyUri, pin: Pin) -> bytes | None:
    """The PIN of a key in an element: from the file that its URI names, else asked for.

    Raises:
        Unusable: the file cannot be read, or is open to others.
    """
    return held.pin_of(where, pin)


def alone(kind: str) -> bool:
    """Whether a stanza of that kind is the only one of its list."""
    return kind in KINDS and KINDS[kind].alone


def is_uri(text: str) -> bool:
    """Whether a word of a command line names a key in a trusted element, and no file."""
    return text.partition(":")[0] in (*SCHEMES, "pkcs11", "tpm") and ":" in text


def _module(scheme: str) -> Any:
    if scheme not in SCHEMES:
        raise Unusable(
            f"no content key is wrapped for a {scheme}: key here", mend="a sealing key file, or a passphrase"
        )
    return import_module(SCHEMES[scheme])
