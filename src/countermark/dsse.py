"""DSSE envelopes: bytes in, bytes out. No trust, no keys, no files.

Source: DSSE protocol v1.0.2 (secure-systems-lab/dsse). The payload stays the exact bytes that
were signed; nothing here ever re-serialises it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.errors import StatementRefused

IN_TOTO = "application/vnd.in-toto+json"
MAX_SIGNATURES = 64


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding: the bytes that a signature covers.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature; `keyid` is a hint that no verifier relies on."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, its type and the signatures over `pae(payload_type, payload)`."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the payload: the name by which the statement is known."""
        return canonical.sha256_hex(self.payload)

    def statement_bytes(self) -> bytes:
        """The payload, where its type says that it is an in-toto statement; the same bytes may mean more elsewhere.

        Raises:
            StatementRefused: it is of another type.
        """
        if self.payload_type != IN_TOTO:
            raise StatementRefused(
                f"an envelope of type {self.payload_type!r:.120} holds no statement", why=f"expected {IN_TOTO}"
            )
        return self.payload

    def signed_bytes(self) -> bytes:
        """The bytes every signature of this envelope covers."""
        return pae(self.payload_type, self.payload)

    def to_bytes(self) -> bytes:
        """Canonical JSON form."""
        signatures = [{"keyid": s.keyid, "sig": base64.b64encode(s.sig).decode()} for s in self.signatures]
        return canonical.to_bytes(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": signatures,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, what: str = "envelope") -> Envelope:
        """Parse an envelope strictly.

        Raises:
            StatementRefused: not JSON, a missing field, bad base64, no signature, or too many.
        """
        return cls.from_json(canonical.object_from_bytes(data, what=what), what=what)

    @classmethod
    def from_json(cls, value: dict[str, Any], *, what: str = "envelope") -> Envelope:
        """Take an envelope from JSON that was parsed strictly, such as a part of a bundle.

        Raises:
            StatementRefused: a missing field, bad base64, no signature, or too many.
        """
        payload_type, signatures = value.get("payloadType"), value.get("signatures")
        if not isinstance(payload_type, str) or not isinstance(signatures, list):
            raise StatementRefused(f"{what} is not a DSSE envelope", why="payloadType or signatures is missing")
        if not 1 <= len(signatures) <= MAX_SIGNATURES:
            raise StatementRefused(f"{what} carries {len(signatures)} signatures", why=f"1 to {MAX_SIGNATURES} count")
        payload = _decode(value.get("payload"), f"{what}: payload")
        return cls(payload_type, payload, tuple(_signature(s, what) for s in signatures))


def _signature(value: Any, what: str) -> Signature:
    if not isinstance(value, dict):
        raise StatementRefused(f"{what}: a signature is not an object")
    keyid = value.get("keyid")
    if not isinstance(keyid, str | None):
        raise StatementRefused(f"{what}: keyid is not text")
    return Signature(keyid or "", _decode(value.get("sig"), f"{what}: sig"))


def _decode(value: Any, what: str) -> bytes:
    """Base64 in either alphabet ("verifiers MUST accept either"), not in a mixture of both."""
    if not isinstance(value, str):
        raise StatementRefused(f"{what} is missing")
    url_safe = "+" not in value and "/" not in value
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/") if url_safe else value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StatementRefused(f"{what} is not base64", why=str(error)) from error
