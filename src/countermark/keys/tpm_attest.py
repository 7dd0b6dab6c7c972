"""Verifying a TPM's quote without a TPM and without its library: bounded parsing, then comparison in constant time.

Source: TCG TPM 2.0 Library, part 2: TPMT_PUBLIC (12.2.4), TPMS_ATTEST (10.12.12), TPMS_QUOTE_INFO (10.12.4), TPMT_SIGNATURE (11.3.4).
Order of verification: 1. the attestation key is what its name says, restricted, made in the TPM and bound to it (a key that is not
restricted could sign bytes that only look like a quote); 2. its signature over the bytes as they came; 3. those bytes are a quote by a TPM,
4. made by this key, 5. for our nonce, 6. over exactly the PCRs asked for, 7. with the values expected.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countermark.errors import SignatureRefused, TrustRefused
from countermark.keys import tpm_policy
from countermark.keys.tpm_policy import SHA256
from countermark.keys.verifier import PublicKey

MOST_BYTES = 2048
_GENERATED, _QUOTE = 0xFF544347, 0x8018
_ECC, _ECDSA, _NULL, _P256 = 0x0023, 0x0018, 0x0010, 0x0003
_OWNER = 0x40000001
_FIXED_TPM, _FIXED_PARENT, _ORIGIN, _RESTRICTED, _DECRYPT, _SIGN = 1 << 1, 1 << 4, 1 << 5, 1 << 16, 1 << 17, 1 << 18
_NEEDED = _FIXED_TPM | _FIXED_PARENT | _ORIGIN | _RESTRICTED | _SIGN


@dataclass(frozen=True, slots=True)
class AttestationKey:
    """A restricted signing key of a TPM, as its public area tells it.

    Attributes:
        name: SHA-256 of the public area, 32 bytes: attributes included, so that who enrolled the name enrolled those. key: its
            public half, of the use `host`.
    """

    name: bytes
    key: PublicKey

    @property
    def qualified_name(self) -> bytes:
        """The name that its quotes carry, as a primary key of the owner hierarchy (part 1, section 16): 34 bytes."""
        inner = _OWNER.to_bytes(4, "big") + SHA256.to_bytes(2, "big") + self.name
        return SHA256.to_bytes(2, "big") + hashlib.sha256(inner).digest()


@dataclass(frozen=True, slots=True)
class Quote:
    """A handle to a quote that was verified.

    Attributes:
        pcrs: what was compared. clock: milliseconds. resets, restarts: counts of the TPM. safe: whether the clock did not lose time
            to a power failure. firmware: as the maker numbers it.
    """

    pcrs: Mapping[int, bytes]
    clock: int
    resets: int
    restarts: int
    safe: bool
    firmware: int


def attestation_key(area: bytes) -> AttestationKey:
    """Parse TPMT_PUBLIC, and refuse every key whose signature would not prove that a TPM made what it signs.

    Raises:
        SignatureRefused: malformed, or not ECDSA P-256 with SHA-256. TrustRefused: not restricted to signing, or not bound to its TPM.
    """
    read = _Reader(area, "a TPM's public area")
    kind, names, attributes = read.number(2), read.number(2), read.number(4)
    read.sized()
    form = [read.number(2) for _ in range(5)]
    if (kind, names) != (_ECC, SHA256) or form != [_NULL, _ECDSA, SHA256, _P256, _NULL]:
        raise SignatureRefused("the attestation key is not ECDSA P-256 with SHA-256", mend="make one with `broker key`")
    x, y = (int.from_bytes(read.sized(), "big") for _ in range(2))
    read.end()
    if attributes & _NEEDED != _NEEDED or attributes & _DECRYPT:
        raise TrustRefused(
            "this TPM key is not restricted to signing what its TPM made", why=f"its attributes are {attributes:#x}",
            mend="make an attestation key: whoever holds this one could sign a forged quote",
        )  # fmt: skip
    try:
        point = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise SignatureRefused("the attestation key's point does not lie on P-256") from error
    spki = point.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return AttestationKey(hashlib.sha256(area).digest(), PublicKey.from_spki("host", spki))


def verify_quote(
    attested: bytes, signature: bytes, by: AttestationKey, *, nonce: bytes, pcrs: Mapping[int, bytes]
) -> Quote:
    """Verify a quote; nothing of it counts before the signature does.

    Args:
        attested: TPMS_ATTEST. signature: TPMT_SIGNATURE. by: the key that was enrolled. nonce: what it must be bound to, at most 64
            bytes. pcrs: index -> value that must stand there, one at least.

    Raises:
        SignatureRefused: malformed, or it does not verify. TrustRefused: no quote, another key's, stale, of other PCRs, or of other values.
    """
    if not pcrs:
        raise TrustRefused("a quote of no PCR says nothing", mend="name what the machine must run")
    if len(attested) > MOST_BYTES:
        raise SignatureRefused("a quote is too large", why=f"{len(attested)} bytes, at most {MOST_BYTES}")
    by.key.verify(attested, _der(signature))
    read = _Reader(attested, "a quote")
    if (read.number(4), read.number(2)) != (_GENERATED, _QUOTE):
        raise TrustRefused("the TPM signed something that is no quote")
    signer, extra = read.sized(), read.sized()
    clock, resets, restarts, safe, firmware = (read.number(width) for width in (8, 4, 4, 1, 8))
    chosen = read.take(10)
    digest = read.sized()
    read.end()
    _same(signer, by.qualified_name, "the quote names another key as its signer", "make the key with `broker key`")
    _same(extra, nonce, "the quote is not for this request", "it is stale or replayed: ask for a new challenge")
    _same(chosen, tpm_policy.selection(pcrs), "the quote is of other PCRs", f"quote {sorted(pcrs)} of the SHA-256 bank")
    _same(digest, tpm_policy.pcr_digest(pcrs), "the machine does not run what was agreed",
          "boot and load what the owner's policy names, or ask the owner for a new one")  # fmt: skip
    return Quote(dict(pcrs), clock, resets, restarts, safe == 1, firmware)


def _same(seen: bytes, expected: bytes, what: str, mend: str) -> None:
    if not hmac.compare_digest(seen, expected):
        raise TrustRefused(what, why=f"expected {expected.hex()}, seen {seen.hex()[:160]}", mend=mend)


def _der(signature: bytes) -> bytes:
    read = _Reader(signature, "a TPM's signature")
    if (read.number(2), read.number(2)) != (_ECDSA, SHA256):
        raise SignatureRefused("a TPM's signature is not ECDSA with SHA-256")
    r, s = (int.from_bytes(read.sized(), "big") for _ in range(2))
    read.end()
    return encode_dss_signature(r, s)


class _Reader:
    """Big-endian structures of a TPM; nothing is taken beyond the bytes that came, nothing may be left."""

    def __init__(self, data: bytes, what: str) -> None:
        if len(data) > MOST_BYTES:
            raise SignatureRefused(f"{what} is too large", why=f"{len(data)} bytes, at most {MOST_BYTES}")
        self._data, self._at, self._what = data, 0, what

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise SignatureRefused(
                f"{self._what} was cut off", why=f"{size} bytes where {len(self._data) - self._at} are left"
            )
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def sized(self) -> bytes:
        return self.take(self.number(2))

    def end(self) -> None:
        if self._at != len(self._data):
            raise SignatureRefused(
                f"{self._what} goes on where it should end", why=f"{len(self._data) - self._at} bytes"
            )
