"""Public keys and the verifying of signatures.

Ed25519 (RFC 8032) and ECDSA P-256 with SHA-256, DER signatures (FIPS 186-5). A key is known by
the SHA-256 of its SubjectPublicKeyInfo DER, and has exactly one use.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from countermark import canonical, dsse
from countermark.errors import SignatureRefused

Use = Literal["root", "statement", "ledger", "witness", "guard", "licence", "oms"]
USES: tuple[Use, ...] = get_args(Use)
Algorithm = Literal["ed25519", "ecdsa-p256"]
MAX_SPKI_BYTES = 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key and the one thing it may be used for.

    Attributes:
        use: the single use; signatures for any other use are refused.
        algorithm: ``"ed25519"`` or ``"ecdsa-p256"``.
        spki: SubjectPublicKeyInfo, DER.
    """

    use: Use
    algorithm: Algorithm
    spki: bytes

    @property
    def id(self) -> str:
        """Hex SHA-256 of the SubjectPublicKeyInfo DER."""
        return canonical.sha256_hex(self.spki)

    @classmethod
    def from_spki(cls, use: str, spki: bytes) -> PublicKey:
        """Parse a key.

        Raises:
            SignatureRefused: unknown use, not a key, or neither Ed25519 nor P-256.
        """
        for known in USES:
            if known == use:
                return cls(known, _algorithm(spki), spki)
        raise SignatureRefused(f"unknown key use {use!r}", mend=f"one of {', '.join(USES)}")

    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key, as signed notes carry them.

        Raises:
            SignatureRefused: the key is not Ed25519.
        """
        key = load_der_public_key(self.spki)
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise SignatureRefused("an Ed25519 key is needed here", why=f"this one is {self.algorithm}")
        return key.public_bytes_raw()

    def pem(self) -> bytes:
        """SubjectPublicKeyInfo, PEM."""
        return load_der_public_key(self.spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check one signature.

        Raises:
            SignatureRefused: the signature does not verify.
        """
        key = load_der_public_key(self.spki)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            else:
                raise SignatureRefused(f"key {self.id[:16]} has no algorithm that is allowed here")
        except InvalidSignature as error:
            raise SignatureRefused(
                f"signature by key {self.id[:16]} does not verify", why="the signed bytes or the key differ"
            ) from error

    def to_json(self) -> dict[str, str]:
        """JSON object with base64 SPKI."""
        return {"use": self.use, "algorithm": self.algorithm, "spki": base64.b64encode(self.spki).decode()}

    @classmethod
    def from_json(cls, value: object) -> PublicKey:
        """Parse the form `to_json` writes; the declared algorithm must be the real one.

        Raises:
            SignatureRefused: malformed, or the algorithm differs from the key.
        """
        if not isinstance(value, dict) or not isinstance(value.get("spki"), str):
            raise SignatureRefused("a key is not an object with use, algorithm and spki")
        try:
            spki = base64.b64decode(value["spki"], validate=True)
        except ValueError as error:
            raise SignatureRefused("a key's spki is not base64") from error
        key = cls.from_spki(str(value.get("use")), spki)
        if key.algorithm != value.get("algorithm"):
            raise SignatureRefused(f"key {key.id[:16]} says {value.get('algorithm')!r} but is {key.algorithm}")
        return key


def _algorithm(spki: bytes) -> Algorithm:
    if len(spki) > MAX_SPKI_BYTES:
        raise SignatureRefused("a public key is too large", why=f"{len(spki)} bytes")
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("these bytes are not a public key", why=str(error)) from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ecdsa-p256"
    raise SignatureRefused("only Ed25519 and ECDSA P-256 keys are taken")


def verify_envelope(envelope: dsse.Envelope, keys: dict[str, PublicKey]) -> frozenset[str]:
    """Verify every signature of an envelope that one of `keys` made.

    The keyid is a hint: a signature whose hint names nobody is tried against all keys.

    Args:
        keys: key id -> key; already narrowed to the right use and party.

    Returns:
        Ids of the keys that signed. Signatures by unknown keys never count.

    Raises:
        SignatureRefused: a signature that names a known key does not verify, or nobody known signed.
    """
    message = envelope.signed_bytes()
    signed: set[str] = set()
    for signature in envelope.signatures:
        if signature.keyid in keys:
            keys[signature.keyid].verify(message, signature.sig)
            signed.add(signature.keyid)
        else:
            signed |= {key.id for key in keys.values() if _verifies(key, message, signature.sig)}
    if not signed:
        raise SignatureRefused(
            "no signature by a key that counts here",
            why="key ids on the envelope: " + (", ".join(s.keyid[:16] or "(none)" for s in envelope.signatures)),
            mend="add the signer to the trust document (`countermark party add`), or ask who signed this",
        )
    return frozenset(signed)


def _verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(message, signature)
    except SignatureRefused:
        return False
    return True
