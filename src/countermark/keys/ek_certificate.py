"""Who made a TPM: its endorsement key's certificate, up to a root that the owner laid into a folder.

Source: TCG EK Credential Profile for TPM Family 2.0, and RFC 5280 as far as said here: signatures and names from certificate to certificate, dates,
basic constraints with path lengths, keyCertSign, the extended key usage tcg-kp-EKCertificate, and no critical extension beside those and the subject's
alternative name. Revocation is not asked for: makers publish their lists online. A software TPM's certificate is vouched for by whoever runs its CA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from countermark.errors import SignatureRefused, TrustRefused, Unusable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, ExtensionType

_Value = TypeVar("_Value", bound="ExtensionType")

EK_CERTIFICATE = "2.23.133.8.1"  # tcg-kp-EKCertificate
MOST_FILE, MOST_GIVEN, MOST_ROOTS, MOST_DEPTH = 64 << 10, 8, 256, 5
_PEM = b"-----BEGIN CERTIFICATE-----"
_KNOWN = {"2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"}  # keyUsage, subjectAltName, basicConstraints, extKeyUsage
_HASHES = {"sha256", "sha384", "sha512"}


@dataclass(frozen=True, slots=True)
class Vouched:
    """A handle to an endorsement key that a root vouches for.

    Attributes:
        root, issuer: subjects of the root and of whoever signed the certificate (RFC 4514). serial: of the certificate, hex. depth: certificates from
            the endorsement key's to the root, both counted.
    """

    root: str
    issuer: str
    serial: str
    depth: int


def read(data: bytes, what: str) -> list[Certificate]:
    """Certificates of a file: one in DER, or up to 8 in PEM.

    Raises:
        SignatureRefused: malformed, too large, or too many.
    """
    from cryptography import x509

    if len(data) > MOST_FILE or data.count(_PEM) > MOST_GIVEN:
        raise SignatureRefused(
            f"{what} holds too much", why=f"at most {MOST_FILE} bytes and {MOST_GIVEN} certificates are read"
        )
    try:
        return x509.load_pem_x509_certificates(data) if _PEM in data else [x509.load_der_x509_certificate(data)]
    except _malformed() as error:
        raise SignatureRefused(f"{what} is no certificate", why=str(error)[:200]) from error


def roots_of(folder: Path) -> list[Certificate]:
    """The roots that an owner trusts, each in a file of its own.

    Raises:
        Unusable: no folder, too many files, or none. SignatureRefused: one is no certificate.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if not 1 <= len(files) <= MOST_ROOTS:
        raise Unusable(
            f"{folder} holds {len(files)} files of roots",
            why=f"1 to {MOST_ROOTS} are read",
            mend="lay the TPM makers' root certificates there",
        )
    found = []
    for path in files:
        with path.open("rb") as file:
            found += read(file.read(MOST_FILE + 1), path.name)
    return found


def vouched(point: bytes, given: Sequence[Certificate], roots: Sequence[Certificate], now: datetime) -> Vouched:
    """Verify that a root vouches for an endorsement key.

    Args:
        point: of the key, uncompressed P-256, 65 bytes. given: its certificate first, then any between it and a root. now: in UTC.

    Raises:
        TrustRefused: the certificate is another key's, or no root leads to it.
    """
    if not given or _point(given[0]) != point:
        raise TrustRefused(
            "the certificate is not that endorsement key's", mend="read it from this very TPM (`tpm2_getekcertificate`)"
        )
    try:
        return _led(given[0], given[1 : MOST_GIVEN + 1], roots, now)
    except _malformed() as error:
        raise TrustRefused("a certificate is malformed", why=str(error)[:200]) from error


def _led(leaf: Certificate, between: Sequence[Certificate], roots: Sequence[Certificate], now: datetime) -> Vouched:
    _refuse_unfit(leaf, now)
    path = _path([leaf], between, roots, now)
    if path is None:
        raise TrustRefused(
            "no root of this folder vouches for the endorsement key", why=f"issued by {leaf.issuer.rfc4514_string()[:200]}",
            mend="give the maker's certificates in between as well, and lay its root into the folder; else treat it as a software TPM",
        )  # fmt: skip
    return Vouched(
        path[-1].subject.rfc4514_string(), leaf.issuer.rfc4514_string(), f"{leaf.serial_number:x}", len(path)
    )


def _malformed() -> tuple[type[Exception], ...]:
    """What the library raises for certificates that cannot be read; they are parsed as they are looked at."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    return (
        ValueError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        UnsupportedAlgorithm,
    )


def _path(
    path: list[Certificate], between: Sequence[Certificate], roots: Sequence[Certificate], now: datetime
) -> list[Certificate] | None:
    """The first chain to a root, or None; bounded by its depth, and by the names, which must fit before a signature is tried."""
    if len(path) >= MOST_DEPTH:
        return None
    for root in roots:
        if _issued(path, root, now):
            return [*path, root]
    for at, issuer in enumerate(between):
        if _issued(path, issuer, now):
            found = _path([*path, issuer], [*between[:at], *between[at + 1 :]], roots, now)
            if found is not None:
                return found
    return None


def _issued(path: Sequence[Certificate], issuer: Certificate, now: datetime) -> bool:
    from cryptography.exceptions import InvalidSignature

    child = path[-1]
    if child.issuer != issuer.subject or not _may_issue(issuer, len(path) - 1, now) or not _strong(child):
        return False
    try:
        child.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _strong(child: Certificate) -> bool:
    named = child.signature_hash_algorithm
    return named is None or named.name in _HASHES


def _may_issue(issuer: Certificate, below: int, now: datetime) -> bool:
    """Whether it is a CA now, with room for so many CAs below it."""
    from cryptography import x509

    said = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    room = said is not None and said.ca and (said.path_length is None or said.path_length >= below)
    return room and not _unknown(issuer) and (usage is None or usage.key_cert_sign) and _at(issuer, now)


def _refuse_unfit(leaf: Certificate, now: datetime) -> None:
    from cryptography import x509

    if unknown := _unknown(leaf):
        raise TrustRefused(
            "the certificate has a critical extension that is not known here", why=", ".join(unknown)[:200]
        )
    basic, uses = _extension(leaf, x509.BasicConstraints), _extension(leaf, x509.ExtendedKeyUsage)
    # One that says nothing of its use may be of any key that the maker certified, also of one that lies in a file.
    named = {use.dotted_string for use in uses or ()}
    if (basic is not None and basic.ca) or EK_CERTIFICATE not in named:
        raise TrustRefused(
            "this is no endorsement key's certificate",
            why=f"its extended key usage lacks {EK_CERTIFICATE}, or it is a CA's",
        )
    if not _at(leaf, now):
        raise TrustRefused(
            "the endorsement key's certificate does not count now",
            why=f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}",
        )


def _unknown(one: Certificate) -> list[str]:
    """Critical extensions that are not known here: whoever made it means that it must not be taken without them."""
    return [e.oid.dotted_string for e in one.extensions if e.critical and e.oid.dotted_string not in _KNOWN]


def _extension(one: Certificate, kind: type[_Value]) -> _Value | None:
    from cryptography import x509

    try:
        return one.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _at(one: Certificate, now: datetime) -> bool:
    return one.not_valid_before_utc <= now <= one.not_valid_after_utc


def _point(one: Certificate) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = one.public_key()
    except _malformed():
        return b""
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        return b""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
