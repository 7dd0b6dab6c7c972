"""Vault's transit engine through securesystemslib: Ed25519, one version of a key. Not tested with a real Vault, and says so."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from countermark.errors import Unusable
from countermark.keys.endpoint import refuse_in_clear

NAME = "Vault"
KINDS = "ed25519"
NOTICE = "Vault keys were tested with a stand-in that speaks Vault's protocol, never with a real Vault"


def fetch(key: str) -> tuple[str, Any]:
    """The key's name with its newest version, and the public half of that.

    Raises:
        Unusable: an older version is asked for, or the token would travel in clear.
    """
    from securesystemslib.signer import VaultSigner  # type: ignore[attr-defined]

    name, _, version = key.partition("/")
    _refuse_in_clear()
    uri, found = VaultSigner.import_(name)
    newest = uri.rpartition("/")[2]
    if version not in ("", newest):
        raise Unusable(f"version {version} of this Vault key is not the newest", mend=f"take hv:{name}/{newest}")
    return f"{name}/{newest}", Ed25519PublicKey.from_public_bytes(bytes.fromhex(found.keyval["public"]))


def sign(key: str, public: Any, message: bytes) -> str:
    """Signature in hex, 64 bytes."""
    from securesystemslib.signer import VaultSigner  # type: ignore[attr-defined]

    name, _, version = key.partition("/")
    _refuse_in_clear()
    return str(VaultSigner(name, public, int(version)).sign(message).signature)


def failures() -> tuple[type[Exception], ...]:
    """What its library raises, on answers that are none of Vault's too."""
    from hvac.exceptions import VaultError  # type: ignore[import-untyped]
    from requests.exceptions import RequestException

    return VaultError, RequestException, ValueError, KeyError, IndexError, TypeError


def explain(error: Exception) -> tuple[str, str]:
    """What happened, and the mend."""
    from hvac.exceptions import Forbidden, InvalidPath, VaultError
    from requests.exceptions import RequestException

    if isinstance(error, Forbidden):
        return (
            "Vault does not let you use this key",
            "VAULT_TOKEN, or `vault login`; its policy must allow transit/sign",
        )
    if isinstance(error, InvalidPath):
        return "Vault knows no such key", "check the name: `vault list transit/keys`"
    if isinstance(error, VaultError):
        return "Vault refused", "see what it says; check the key's type and version"
    if isinstance(error, RequestException):
        return "Vault cannot be reached", "check the network and VAULT_ADDR"
    return "Vault gave an answer that is none of its own", f"is VAULT_ADDR a Vault, and the key {KINDS}?"


def _refuse_in_clear() -> None:
    import hvac  # type: ignore[import-untyped]

    refuse_in_clear(str(hvac.Client().url), NAME)
