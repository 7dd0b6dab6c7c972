"""Whose signature on an OMS bundle counts: the verifier's own key, or certificates under the verifier's root."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from countermark.errors import SignatureRefused, StatementRefused

MAX_CERTIFICATES = 16
MAX_CERTIFICATE_BYTES = 64 << 10
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Endorser:
    """A key whose signatures count for one bundle."""

    key: ec.EllipticCurvePublicKey

    @property
    def id(self) -> str:
        """Hex SHA-256 of the SubjectPublicKeyInfo DER."""
        return hashlib.sha256(self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a DER signature with the hash that belongs to the curve.

        Raises:
            SignatureRefused: it does not verify.
        """
        if not self._holds(message, signature, _HASHES[self.key.curve.name]):
            raise SignatureRefused(
                "a signature of the OMS bundle does not verify", why="every one must, by the key that is trusted"
            )

    def verifies_legacy(self, message: bytes, signatures: Sequence[bytes]) -> bool:
        """Whether all signatures hold as release 0.2.0 made them, with SHA-256 on any curve."""
        return all(self._holds(message, signature, hashes.SHA256()) for signature in signatures)

    def _holds(self, message: bytes, signature: bytes, algorithm: hashes.HashAlgorithm) -> bool:
        try:
            self.key.verify(signature, message, ec.ECDSA(algorithm))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class KeyTrust:
    """Trust in one public key, PEM SubjectPublicKeyInfo, on P-256, P-384 or P-521."""

    pem: bytes

    def endorser(self) -> Endorser:
        """The key itself.

        Raises:
            SignatureRefused: not a PEM public key on one of the three curves.
        """
        try:
            return Endorser(_ec_key(load_pem_public_key(self.pem)))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SignatureRefused("the OMS public key cannot be read", why=str(error)) from error

    def accept(self, material: dict[str, Any]) -> Endorser:
        """The key, if the bundle says it is signed by it: by hint, or by raw bytes before release 1.1.

        Raises:
            SignatureRefused: the bundle names another key, none, or brings certificates instead.
        """
        endorser = self.endorser()
        named = material.get("publicKey")
        if not isinstance(named, dict):
            raise SignatureRefused("the OMS bundle brings certificates, not a key", mend="give the root certificate")
        hint, raw = named.get("hint"), named.get("rawBytes")
        if not hint and isinstance(raw, str):
            hint = key_hint(KeyTrust(_decode(raw)).endorser().key)
        if not isinstance(hint, str) or not hmac.compare_digest(hint.encode(), key_hint(endorser.key).encode()):
            raise SignatureRefused(
                "the OMS bundle is signed by another key", why=f"it names {hint!r}, expected {key_hint(endorser.key)}"
            )
        return endorser


@dataclass(frozen=True, slots=True)
class CertificateTrust:
    """Trust in whoever holds a certificate under one of these roots.

    Attributes:
        roots: root certificates, PEM.
        at: the time for which the chain must be valid. The reference takes the leaf's first valid
            second, so that nothing ever expires; here the verifier says.
    """

    roots: tuple[bytes, ...]
    at: datetime.datetime

    def accept(self, material: dict[str, Any]) -> Endorser:
        """The key of the leaf certificate, once the chain holds.

        Raises:
            SignatureRefused: no chain to a root, not valid at the time, or not a signing certificate.
            StatementRefused: the chain is malformed.
        """
        leaf, *between = _chain(material)
        try:
            store = verification.Store([x509.load_pem_x509_certificate(pem) for pem in self.roots])
            builder = verification.PolicyBuilder().store(store).time(self.at)
            # What a signing leaf needs is checked below; the web's rules (names, server or client use) do not apply.
            rules = builder.extension_policies(
                ca_policy=verification.ExtensionPolicy.webpki_defaults_ca().may_be_present(
                    x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _issues_for_code
                ),
                ee_policy=verification.ExtensionPolicy.permit_all(),
            )
            rules.build_client_verifier().verify(leaf, between)
        except (verification.VerificationError, ValueError, UnsupportedAlgorithm) as error:
            raise SignatureRefused(
                "the certificates of the OMS bundle do not lead to a trusted root", why=str(error)
            ) from error
        if not _may_sign(leaf):
            raise SignatureRefused("the certificate of the OMS bundle is not for signing")
        return endorser_of(leaf)


def endorser_of(certificate: x509.Certificate) -> Endorser:
    """The key of a certificate.

    Raises:
        SignatureRefused: it is not on P-256, P-384 or P-521.
    """
    return Endorser(_ec_key(certificate.public_key()))


def key_hint(key: ec.EllipticCurvePublicKey) -> str:
    """The name of a key in bundles: hex SHA-256 of its PEM as re-serialised, final newline included."""
    return hashlib.sha256(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _ec_key(key: Any) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise SignatureRefused("an OMS key must be on P-256, P-384 or P-521")
    return key


def _chain(material: dict[str, Any]) -> list[x509.Certificate]:
    chain = material.get("x509CertificateChain")
    if chain is None:
        raise SignatureRefused("the OMS bundle is signed by a bare key", mend="give that key instead of a root")
    listed = chain.get("certificates") if isinstance(chain, dict) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_CERTIFICATES:
        raise StatementRefused(f"an OMS bundle carries 1 to {MAX_CERTIFICATES} certificates")
    try:
        return [x509.load_der_x509_certificate(_certificate(entry)) for entry in listed]
    except ValueError as error:
        raise StatementRefused("a certificate of the OMS bundle cannot be read", why=str(error)) from error


def _certificate(entry: Any) -> bytes:
    if not isinstance(entry, dict):
        raise StatementRefused("a certificate of the OMS bundle is not an object")
    return _decode(entry.get("rawBytes"))


def _decode(value: Any) -> bytes:
    if not isinstance(value, str) or len(value) > MAX_CERTIFICATE_BYTES:
        raise StatementRefused("the OMS bundle's key or certificate is missing or too large")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise StatementRefused("the OMS bundle's key or certificate is not base64", why=str(error)) from error


def _issues_for_code(_policy: object, _issuer: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    """An authority that names what it issues for must name the signing of code, or anything."""
    if usage is not None and not _for_code(usage):
        raise ValueError("an issuer's certificate is for other purposes than signing code")


def _for_code(usage: x509.ExtendedKeyUsage) -> bool:
    return ExtendedKeyUsageOID.CODE_SIGNING in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _may_sign(leaf: x509.Certificate) -> bool:
    """Whether the certificate is for signatures, and for no other purpose where it names any (RFC 5280, 4.2.1.12).

    The reference also takes those of TLS servers and OCSP responders, which a company's root issues to many more people.
    """
    by_type = {type(extension.value): extension.value for extension in leaf.extensions}
    usage, extended = by_type.get(x509.KeyUsage), by_type.get(x509.ExtendedKeyUsage)
    if isinstance(extended, x509.ExtendedKeyUsage) and not _for_code(extended):
        return False
    if isinstance(usage, x509.KeyUsage):
        return usage.digital_signature
    return isinstance(extended, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.CODE_SIGNING in extended
