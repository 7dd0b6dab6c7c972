"""Certificates on OMS bundles, with chains made here."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from countermark.errors import SignatureRefused, StatementRefused
from countermark.statement import oms
from countermark.statement.oms_keys import CertificateTrust

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
ROOT, LEAF = (ec.derive_private_key(n, ec.SECP256R1()) for n in (11, 12))
SIGNING = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
NOT_SIGNING = x509.KeyUsage(False, False, True, False, False, False, False, False, False)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
    issuer: tuple[str, ec.EllipticCurvePrivateKey] = ("root", ROOT),
) -> x509.Certificate:
    """Signed by the root, or by another issuer, for a day around now."""
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer[0]))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
    builder = builder.add_extension(above, critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=not isinstance(extension, x509.ExtendedKeyUsage))
    return builder.sign(issuer[1], hashes.SHA256())


def _root() -> x509.Certificate:
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    return _certificate("root", ROOT, x509.BasicConstraints(ca=True, path_length=None), usage)


def _trust() -> CertificateTrust:
    return CertificateTrust((_root().public_bytes(serialization.Encoding.PEM),), NOW)


def _bundle(chain: Any) -> bytes:
    """A bundle signed by the leaf's key that carries any chain."""
    pem = LEAF.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    payload = oms.statement([("a", "11" * 32)], name="model")
    value = json.loads(oms.sign(payload, sign=lambda m: LEAF.sign(m, ec.ECDSA(hashes.SHA256())), spki_pem=pem))
    value["verificationMaterial"] = {"x509CertificateChain": chain, "tlogEntries": []}
    return json.dumps(value).encode()


def _chain(*certificates: x509.Certificate) -> dict[str, Any]:
    raw = [c.public_bytes(serialization.Encoding.DER) for c in certificates]
    return {"certificates": [{"rawBytes": base64.b64encode(der).decode()} for der in raw]}


@pytest.mark.parametrize("extension", [SIGNING, x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING])])
def test_a_signing_certificate_under_our_root_counts(extension: x509.ExtensionType) -> None:
    leaf = _certificate("signer", LEAF, extension)
    assert oms.verify(_bundle(_chain(leaf)), _trust()).resources == {"a": "11" * 32}
    assert oms.verify(_bundle(_chain(leaf, _root())), _trust()).name == "model"


USES = x509.ExtendedKeyUsageOID
FOR_SERVERS, FOR_CLIENTS, FOR_OCSP, FOR_CODE, FOR_ANYTHING = (
    x509.ExtendedKeyUsage([use])
    for use in (USES.SERVER_AUTH, USES.CLIENT_AUTH, USES.OCSP_SIGNING, USES.CODE_SIGNING, USES.ANY_EXTENDED_KEY_USAGE)
)


@pytest.mark.parametrize(
    "extensions",
    [
        (), (NOT_SIGNING,), (FOR_SERVERS,), (SIGNING, FOR_SERVERS), (SIGNING, FOR_CLIENTS), (SIGNING, FOR_OCSP),
        (NOT_SIGNING, FOR_CODE), (FOR_ANYTHING,),
    ],
)  # fmt: skip
def test_a_certificate_for_something_else_does_not(extensions: tuple[x509.ExtensionType, ...]) -> None:
    with pytest.raises(SignatureRefused, match="not for signing"):
        oms.verify(_bundle(_chain(_certificate("signer", LEAF, *extensions))), _trust())


@pytest.mark.parametrize(
    "purpose", [FOR_CODE, FOR_ANYTHING, x509.ExtendedKeyUsage([USES.SERVER_AUTH, USES.CODE_SIGNING])]
)
def test_a_certificate_for_code_among_others_counts(purpose: x509.ExtendedKeyUsage) -> None:
    assert oms.verify(_bundle(_chain(_certificate("signer", LEAF, SIGNING, purpose))), _trust()).name == "model"


@pytest.mark.parametrize(
    ("purpose", "counts"),
    [(FOR_CODE, True), (FOR_ANYTHING, True), (None, True), (FOR_CLIENTS, False), (FOR_SERVERS, False)],
)
def test_an_authority_between_issues_for_code_or_counts_for_nothing(
    purpose: x509.ExtendedKeyUsage | None, counts: bool
) -> None:
    """Those that issue for code were refused once, and those for TLS clients taken: the library's rules are the web's."""
    between = ec.derive_private_key(14, ec.SECP256R1())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    extensions = (x509.BasicConstraints(ca=True, path_length=None), usage, *([purpose] if purpose else []))
    authority = _certificate("authority", between, *extensions)
    leaf = _certificate("signer", LEAF, SIGNING, FOR_CODE, issuer=("authority", between))
    if counts:
        assert oms.verify(_bundle(_chain(leaf, authority)), _trust()).name == "model"
        return
    with pytest.raises(SignatureRefused, match="do not lead to a trusted root"):
        oms.verify(_bundle(_chain(leaf, authority)), _trust())


def test_the_signature_must_be_by_the_leaf() -> None:
    other = ec.derive_private_key(13, ec.SECP256R1())
    with pytest.raises(SignatureRefused, match="does not verify"):
        oms.verify(_bundle(_chain(_certificate("signer", other, SIGNING))), _trust())


def test_a_leaf_on_another_curve_is_refused() -> None:
    odd = ec.derive_private_key(13, ec.SECP256K1())
    with pytest.raises(SignatureRefused):
        oms.verify(_bundle(_chain(_certificate("signer", odd, SIGNING))), _trust())


@pytest.mark.parametrize(
    "chain",
    [
        [],
        {},
        {"certificates": []},
        {"certificates": "x"},
        {"certificates": [7]},
        {"certificates": [{}]},
        {"certificates": [{"rawBytes": "!"}]},
        {"certificates": [{"rawBytes": "AAAA"}]},
        {"certificates": [{"rawBytes": "A" * 100_000}]},
        {"certificates": [{"rawBytes": ""}] * 17},
    ],
)
def test_malformed_chains(chain: Any) -> None:
    with pytest.raises(StatementRefused):
        oms.verify(_bundle(chain), _trust())
