"""Recipients whose key is in a PKCS#11 token: AES key wrap (RFC 3394) under a secret key, or HPKE for P-256 with the private half there.

AES key wrap authenticates nothing beside the key: what such a stanza belongs to is held by the container's commitment. HPKE for P-256
writes the same stanza for a token as for a file; only who opens it differs.
"""

from __future__ import annotations

from countermark.keys import pkcs11_wrap
from countermark.keys.uri import KeyUri
from countermark.seal import hpke
from countermark.seal.registry import Pin, pin_at
from countermark.seal.stanza import Binding, Identity, Recipient, Stanza

KIND = "pkcs11-aes-kw"


class WrappedRecipient:
    """Whoever has a secret key in a token; wrapping for it takes the same token."""

    kind = KIND

    def __init__(self, name: str, key: pkcs11_wrap.WrappingKey) -> None:
        self.name, self._key = name, key

    def wrap(self, content_key: bytearray, bound: Binding) -> Stanza:
        """A copy of the content key under the token's key.

        Raises:
            Unusable: the token refuses.
        """
        return Stanza(KIND, self.name, self._key.id, self._key.wrap(bytes(content_key)), bound.licence)


class WrappedIdentity:
    """A secret key in a token that unwraps."""

    def __init__(self, key: pkcs11_wrap.WrappingKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"WrappedIdentity(id={self._key.id[:16]!r})"

    def opens(self, stanza: Stanza) -> bool:
        """Whether a stanza names this key."""
        return (stanza.kind, stanza.key) == (KIND, self._key.id)

    def unwrap(self, stanza: Stanza, bound: Binding) -> bytearray:
        """The content key.

        Raises:
            TrustRefused: wrapped under another key, or changed. Unusable: the token refuses.
        """
        return self._key.unwrap(stanza.wrapped)


class TokenIdentity:
    """A P-256 key in a token that HPKE seals to."""

    def __init__(self, key: pkcs11_wrap.AgreementKey) -> None:
        self._key = key
        self.public = hpke.SealingKey(hpke.P256, key.public)

    def __repr__(self) -> str:
        return f"TokenIdentity(id={self.public.id[:16]!r})"

    def opens(self, stanza: Stanza) -> bool:
        """Whether a stanza names this key."""
        return (stanza.kind, stanza.key) == (hpke.P256, self.public.id)

    def unwrap(self, stanza: Stanza, bound: Binding) -> bytearray:
        """The content key.

        Raises:
            TrustRefused: for another key, container, recipient or licence, or changed. Unusable: the token refuses.
        """
        return self._key.open_sealed(stanza.wrapped, bound.info(hpke.LABEL))


def recipient(where: KeyUri, name: str, pin: Pin) -> Recipient:
    """The recipient whose key a URI names.

    Raises:
        Unusable: no such token or key, or one that can be read out. MissingExtra: the library is absent.
    """
    key = pkcs11_wrap.open_key(where, pin_at(where, pin))
    if isinstance(key, pkcs11_wrap.WrappingKey):
        return WrappedRecipient(name, key)
    return hpke.HpkeRecipient(name, hpke.SealingKey(hpke.P256, key.public))


def identity(where: KeyUri, pin: Pin) -> Identity:
    """The private side that a URI names.

    Raises:
        As `recipient`.
    """
    key = pkcs11_wrap.open_key(where, pin_at(where, pin))
    return WrappedIdentity(key) if isinstance(key, pkcs11_wrap.WrappingKey) else TokenIdentity(key)
