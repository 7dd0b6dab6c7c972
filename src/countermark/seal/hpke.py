"""Recipients by HPKE (RFC 9180), single shot, base mode, HKDF-SHA256 and AES-256-GCM.

Two KEMs: ``MLKEM768_X25519`` (X-Wing, draft-connolly-cfrg-xwing-kem: safe as long as either ML-KEM-768 or X25519 is), which is
the default, and DHKEM(P-256), whose private half tokens can hold. What is wrapped for whom stands in HPKE's info.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countermark import canonical
from countermark.errors import FormatRefused, TrustRefused
from countermark.seal.prelude import KEY
from countermark.seal.stanza import Binding, Stanza

Kind = Literal["hpke-mlkem768-x25519", "hpke-p256"]
XWING: Kind = "hpke-mlkem768-x25519"
P256: Kind = "hpke-p256"
LABEL = b"countermark/seal/hpke/v1"
_SUITES = {
    XWING: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    P256: Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}
PUBLIC_BYTES = {XWING: 1184 + 32, P256: 65}
ENCAPSULATED = {XWING: 1088 + 32, P256: 65}
_TAG = 16


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The public half of a key that content keys are wrapped for; never one that signs.

    Attributes:
        kind: `XWING` or `P256`. raw: ML-KEM-768 encapsulation key (1,184 bytes) then X25519 public key (32 bytes), the order of
            X-Wing; or the uncompressed point (65 bytes).
    """

    kind: Kind
    raw: bytes

    def __post_init__(self) -> None:
        if self.kind not in _SUITES or len(self.raw) != PUBLIC_BYTES[self.kind]:
            raise FormatRefused(f"no sealing key of kind {self.kind!r:.40} has {len(self.raw)} bytes")
        self.loaded()

    @property
    def id(self) -> str:
        """Hex SHA-256 of kind, NUL and bytes: what people compare."""
        return canonical.sha256_hex(self.kind.encode() + b"\0" + self.raw)

    def loaded(self) -> Any:
        """The library's key.

        Raises:
            FormatRefused: these bytes are none.
        """
        try:
            if self.kind == P256:
                return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.raw)
            half = mlkem.MLKEM768PublicKey.from_public_bytes(self.raw[:1184])
            return MLKEM768X25519PublicKey(half, x25519.X25519PublicKey.from_public_bytes(self.raw[1184:]))
        except ValueError as error:
            raise FormatRefused("these bytes are no sealing key", why=str(error)) from error

    def encrypt(self, secret: bytes | bytearray, info: bytes) -> bytes:
        """HPKE single-shot seal: encapsulated key, ciphertext, tag.

        Raises:
            FormatRefused: the X25519 half is a point of small order, with which everybody agrees on the same secret (RFC 7748, section 6.1).
        """
        try:
            return _SUITES[self.kind].encrypt(bytes(secret), self.loaded(), info)
        except ValueError as error:
            raise FormatRefused("nothing can be sealed to this key", why=f"a point of small order: {error}",
                                mend="its owner makes a new one") from error  # fmt: skip


@dataclass(frozen=True, slots=True)
class HpkeRecipient:
    """Somebody known by a name and a sealing key."""

    name: str
    public: SealingKey

    @property
    def kind(self) -> str:
        """Of the key."""
        return self.public.kind

    def wrap(self, content_key: bytearray, bound: Binding) -> Stanza:
        """A copy of the content key for this recipient."""
        wrapped = self.public.encrypt(content_key, bound.info(LABEL))
        return Stanza(self.kind, self.name, self.public.id, wrapped, bound.licence)


Private = MLKEM768X25519PrivateKey | ec.EllipticCurvePrivateKey
Halves = tuple[mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey]


class HpkeIdentity:
    """A private sealing key in this process."""

    def __init__(self, private: Halves | ec.EllipticCurvePrivateKey) -> None:
        self._private: Private
        if isinstance(private, tuple):
            self._private = MLKEM768X25519PrivateKey(*private)
            raw = private[0].public_key().public_bytes_raw() + private[1].public_key().public_bytes_raw()
            self._public = SealingKey(XWING, raw)
        else:
            self._private = private
            form = Encoding.X962, PublicFormat.UncompressedPoint
            self._public = SealingKey(P256, private.public_key().public_bytes(*form))

    def __repr__(self) -> str:
        return f"HpkeIdentity(kind={self._public.kind!r}, id={self._public.id[:16]!r})"

    @property
    def public(self) -> SealingKey:
        """The public half."""
        return self._public

    def opens(self, stanza: Stanza) -> bool:
        """Whether a stanza names this key."""
        return (stanza.kind, stanza.key) == (self._public.kind, self._public.id)

    def unwrap(self, stanza: Stanza, bound: Binding) -> bytearray:
        """The content key.

        Raises:
            TrustRefused: it was wrapped for another key, container, recipient or licence, or was changed.
        """
        secret = self.decrypt(stanza.wrapped, bound.info(LABEL))
        if len(secret) != KEY:
            raise TrustRefused(f"the key for {stanza.recipient} has {len(secret)} bytes", why="a content key has 32")
        return secret

    def decrypt(self, sealed: bytes, info: bytes) -> bytearray:
        """HPKE single-shot open of what `SealingKey.encrypt` made under the same info.

        Raises:
            TrustRefused: it does not open.
        """
        if len(sealed) < ENCAPSULATED[self._public.kind] + _TAG:
            raise TrustRefused("a wrapped key is cut off", why=f"{len(sealed)} bytes")
        try:
            return bytearray(_SUITES[self._public.kind].decrypt(sealed, self._private, info))
        except (InvalidTag, ValueError) as error:
            raise TrustRefused(
                "a wrapped key does not open", why="it is for another key, file, recipient or licence, or was changed",
                mend="ask whoever sealed the file to add this key again",
            ) from error  # fmt: skip


def generate(kind: Kind = XWING) -> HpkeIdentity:
    """A fresh key in this process, such as the ephemeral one that a key is released to."""
    return HpkeIdentity(new_private(kind))


def new_private(kind: Kind) -> Halves | ec.EllipticCurvePrivateKey:
    """A fresh private key of a kind."""
    if kind == P256:
        return ec.generate_private_key(ec.SECP256R1())
    return mlkem.MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate()
