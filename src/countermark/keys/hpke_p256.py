"""HPKE for P-256 with the private half elsewhere: the one elliptic-curve operation is asked of a trusted element.

Source: RFC 9180, base mode, single shot: DHKEM(P-256, HKDF-SHA256) (0x0010), HKDF-SHA256 (0x0001), AES-256-GCM (0x0002).
Sealing is `cryptography`'s own; opening is written here because that library takes no private key which it does not hold.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from countermark.errors import TrustRefused

POINT_BYTES = 65
SECRET_BYTES = 32
TAG_BYTES = 16
MAX_SEALED_BYTES = 64 << 10
_KEM = b"KEM" + (0x0010).to_bytes(2, "big")
_SUITE = b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (0x0010, 0x0001, 0x0002))

Agree = Callable[[bytes], bytes]
"""From the sender's public point (65 bytes, uncompressed) to the x-coordinate of the shared point (32 bytes)."""


def seal(plain: bytes, public: bytes, info: bytes) -> bytes:
    """Seal to a public point.

    Args:
        plain: at most 64 KiB less 81 bytes. public: uncompressed point, 65 bytes. info: what the ciphertext is bound to.

    Returns:
        The sender's point (65 bytes), then ciphertext and tag: 81 bytes more than `plain`.

    Raises:
        TrustRefused: the point is not on P-256, or there is too much to seal.
    """
    if len(plain) > MAX_SEALED_BYTES - POINT_BYTES - TAG_BYTES:
        raise TrustRefused("HPKE seals keys here, not data", why=f"{len(plain)} bytes")
    suite = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    return suite.encrypt(plain, point(public), info)


def open_sealed(sealed: bytes, public: bytes, agree: Agree, info: bytes) -> bytes:
    """Open what was sealed to a public point.

    Args:
        sealed: as `seal` gives it. public: the recipient's point. agree: its private half, somewhere. info: as sealed.

    Raises:
        TrustRefused: malformed, sealed to another key or with another `info`, or changed.
    """
    if not POINT_BYTES + TAG_BYTES <= len(sealed) <= MAX_SEALED_BYTES:
        raise TrustRefused("these bytes were not sealed to a P-256 key", why=f"{len(sealed)} bytes")
    sender = sealed[:POINT_BYTES]
    key, nonce = schedule(decapsulate(sender, public, agree), info)
    try:
        return AESGCM(key).decrypt(nonce, sealed[POINT_BYTES:], b"")
    except InvalidTag as error:
        raise TrustRefused(
            "this was sealed to another key, for another purpose, or was changed", why="the tag does not verify",
            mend="ask for it to be sealed to this key anew",
        ) from error  # fmt: skip


def decapsulate(sender: bytes, public: bytes, agree: Agree) -> bytes:
    """The KEM's shared secret, 32 bytes (RFC 9180, section 4.1).

    Raises:
        TrustRefused: a point is not on P-256, or `agree` gave something else than a coordinate.
    """
    point(sender)  # before it reaches the element: a point off the curve would ask it for bits of its key
    point(public)
    shared = agree(sender)
    if len(shared) != SECRET_BYTES:
        raise TrustRefused("the key agreement gave no P-256 coordinate", why=f"{len(shared)} bytes")
    extracted = _extract(_KEM, b"", b"eae_prk", shared)
    return _expand(_KEM, extracted, b"shared_secret", sender + public, SECRET_BYTES)


def schedule(shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Key (32 bytes) and nonce (12 bytes) of the first message in base mode (RFC 9180, section 5.1)."""
    context = b"\0" + _extract(_SUITE, b"", b"psk_id_hash", b"") + _extract(_SUITE, b"", b"info_hash", info)
    secret = _extract(_SUITE, shared, b"secret", b"")
    return _expand(_SUITE, secret, b"key", context, 32), _expand(_SUITE, secret, b"base_nonce", context, 12)


def point(encoded: bytes) -> ec.EllipticCurvePublicKey:
    """A point of P-256 from its uncompressed form.

    Raises:
        TrustRefused: compressed, off the curve, or of another length.
    """
    if len(encoded) != POINT_BYTES or encoded[:1] != b"\x04":
        raise TrustRefused("a P-256 point has 65 bytes and is uncompressed", why=f"seen {encoded[:1].hex()}, {len(encoded)} bytes")  # fmt: skip
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
    except ValueError as error:
        raise TrustRefused("this point does not lie on P-256", why="it would leak bits of the private key") from error


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + material, hashlib.sha256)


def _expand(suite: bytes, secret: bytes, label: bytes, info: bytes, size: int) -> bytes:
    """One block of HKDF-Expand: `size` is at most 32."""
    labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labelled + b"\x01", hashlib.sha256)[:size]
