"""Public keys and the verifying of signatures.

Ed25519 (RFC 8032), ECDSA on P-256, P-384 and P-521 with the hash of the curve's strength, DER signatures (FIPS 186-5), and
ML-DSA-65 (FIPS 204, RFC 9881) with an empty context; witnesses also ML-DSA-44, as C2SP has it. A key is known by the SHA-256 of its SubjectPublicKeyInfo DER, and has
exactly one use.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from countermark import canonical, dsse
from countermark.errors import SignatureRefused

Use = Literal["root", "statement", "ledger", "witness", "guard", "licence", "oms", "host"]
USES: tuple[Use, ...] = get_args(Use)
Algorithm = Literal["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ml-dsa-65", "ml-dsa-44"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
POST_QUANTUM: frozenset[Algorithm] = frozenset({"ml-dsa-65"})
MAX_SPKI_BYTES = 4096
MOST_TRIED = 256
"""Keys that a lone signature without a keyid is tried against, at most."""
CURVES: dict[Algorithm, tuple[type[ec.EllipticCurve], type[hashes.HashAlgorithm]]] = {
    "ecdsa-p256": (ec.SECP256R1, hashes.SHA256),
    "ecdsa-p384": (ec.SECP384R1, hashes.SHA384),
    "ecdsa-p521": (ec.SECP521R1, hashes.SHA512),
}
_BY_NAME = {curve().name: algorithm for algorithm, (curve, _) in CURVES.items()}
# y-coordinates of the Ed25519 points of small order, unreduced ones included, without the sign bit (Bernstein et
# al., "ed25519" and RFC 8032 5.1.3). Whoever enrols one lets anybody sign in his name.
_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key and the one thing it may be used for.

    Attributes:
        use: the single use; signatures for any other use are refused.
        algorithm: one of `ALGORITHMS`.
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
            SignatureRefused: unknown use, not a key, or of no algorithm in `ALGORITHMS` that may have this use.
        """
        for known in USES:
            if known == use:
                return cls(known, _fit(_algorithm(spki), known), spki)
        raise SignatureRefused(f"unknown key use {use!r:.40}", mend=f"one of {', '.join(USES)}")

    def raw(self) -> bytes:
        """The bytes that signed notes carry: 32 of an Ed25519 key, 1312 of a witness's ML-DSA-44 key.

        Raises:
            SignatureRefused: the key is of another kind.
        """
        key = load_der_public_key(self.spki)
        if not isinstance(key, ed25519.Ed25519PublicKey | mldsa.MLDSA44PublicKey):
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
                key.verify(signature, message, ec.ECDSA(ecdsa_hash(self.algorithm)))
            elif isinstance(key, mldsa.MLDSA65PublicKey | mldsa.MLDSA44PublicKey):
                key.verify(signature, message)
            else:
                raise SignatureRefused(f"key {self.id[:16]} has no algorithm that is allowed here")
        except (InvalidSignature, ValueError) as error:
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
        if not isinstance(value, dict) or set(value) != {"use", "algorithm", "spki"}:
            raise SignatureRefused("a key is not an object with use, algorithm and spki")
        if not all(isinstance(field, str) for field in value.values()):
            raise SignatureRefused("a key's use, algorithm and spki are not all text")
        try:
            spki = base64.b64decode(value["spki"], validate=True)
        except ValueError as error:
            raise SignatureRefused("a key's spki is not base64") from error
        key = cls.from_spki(value["use"], spki)
        if key.algorithm != value["algorithm"]:
            raise SignatureRefused(f"key {key.id[:16]} says {value['algorithm']!r:.40} but is {key.algorithm}")
        return key


def _algorithm(spki: bytes) -> Algorithm:
    if len(spki) > MAX_SPKI_BYTES:
        raise SignatureRefused("a public key is too large", why=f"{len(spki)} bytes")
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("these bytes are not a public key", why=str(error)) from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes_raw()
        if raw[:31] + bytes([raw[31] & 0x7F]) in _SMALL_ORDER:
            raise SignatureRefused("this Ed25519 key is a point of small order", why="anybody could sign for it")
        return "ed25519"
    if isinstance(key, mldsa.MLDSA65PublicKey):
        found: Algorithm = "ml-dsa-65"
    elif isinstance(key, mldsa.MLDSA44PublicKey):
        found = "ml-dsa-44"
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _BY_NAME:
        found = _BY_NAME[key.curve.name]
    else:
        raise SignatureRefused("only Ed25519, ECDSA P-256, P-384 and P-521, and ML-DSA-65 keys are taken")
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise SignatureRefused(
            f"this {found} key is not in its canonical form", why="a second form would give one key two ids",
            mend="write it uncompressed, as `openssl pkey -pubout` does",
        )  # fmt: skip
    return found


def _fit(algorithm: Algorithm, use: Use) -> Algorithm:
    """ML-DSA-44 is what C2SP asks of witnesses; everything else that is post-quantum here is of the next strength."""
    if algorithm == "ml-dsa-44" and use != "witness":
        raise SignatureRefused("an ml-dsa-44 key is taken for witnesses alone", mend=f"ml-dsa-65, for the use {use}")
    return algorithm


def ecdsa_hash(algorithm: Algorithm) -> hashes.HashAlgorithm:
    """The hash that an ECDSA key signs with.

    Raises:
        SignatureRefused: not an ECDSA algorithm.
    """
    if algorithm not in CURVES:
        raise SignatureRefused(f"{algorithm} is no kind of ECDSA")
    return CURVES[algorithm][1]()


def verify_envelope(envelope: dsse.Envelope, keys: dict[str, PublicKey]) -> frozenset[str]:
    """Verify every signature of an envelope that names one of `keys`.

    Only those are tried, and each key once, so that junk beside a good signature costs nothing. A lone signature without a keyid,
    which DSSE leaves open, is tried against all keys where there are at most 256.

    Args:
        keys: key id -> key; already narrowed to the right use and party.

    Returns:
        Ids of the keys that signed. Signatures by unknown keys never count.

    Raises:
        SignatureRefused: a signature that names a known key does not verify, two name the same, or nobody known signed.
    """
    named = [s for s in envelope.signatures if s.keyid in keys]
    signed = {s.keyid for s in named}
    if len(signed) < len(named):
        raise SignatureRefused(
            "two signatures of one envelope name the same key", why="one is enough; more only cost time",
            mend="ask for the statement as it was signed",
        )  # fmt: skip
    message = envelope.signed_bytes()
    for signature in named:
        keys[signature.keyid].verify(message, signature.sig)
    if [s.keyid for s in envelope.signatures] == [""] and len(keys) <= MOST_TRIED:
        signed = {key.id for key in keys.values() if _verifies(key, message, envelope.signatures[0].sig)}
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
