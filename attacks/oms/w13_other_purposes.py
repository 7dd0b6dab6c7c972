"""W13: a certificate that a trusted root issued for something else signs models too."""

from __future__ import annotations

import base64
import datetime
import json
import sys
from pathlib import Path

import hostile
import weakness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from weakness import Answers

from countermark.lifecycle import oms as stage
from countermark.statement import oms
from countermark.statement.oms_keys import CertificateTrust

TRIES = "sign a model with the certificate of a web server, issued by the company's root"
NOW = datetime.datetime.now(datetime.UTC)
ROOT, SERVER = (ec.derive_private_key(n, ec.SECP256R1()) for n in (21, 22))
PEM = serialization.Encoding.PEM
SIGNS, ISSUES = (x509.KeyUsage(leaf, *[False] * 4, not leaf, not leaf, False, False) for leaf in (True, False))  # type: ignore[misc]


def certificate(key: ec.EllipticCurvePrivateKey, name: str, *extensions: x509.ExtensionType) -> x509.Certificate:
    """Issued by the root, valid now."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, "company root")]
    builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - datetime.timedelta(1)).not_valid_after(NOW + datetime.timedelta(1))
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT.public_key())
    for extension in (public, issuer, *extensions):
        builder = builder.add_extension(extension, isinstance(extension, x509.KeyUsage | x509.BasicConstraints))
    return builder.sign(ROOT, hashes.SHA256())


def attack(place: Path) -> Answers:
    """The server's key signs a statement over the very files; nothing is wrong but what its certificate is for."""
    root = certificate(ROOT, "company root", x509.BasicConstraints(True, None), ISSUES)
    tls = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    leaf = certificate(SERVER, "intranet", x509.BasicConstraints(False, None), SIGNS, tls)
    payload = json.dumps(hostile.honest(place / "model")).encode()
    public = SERVER.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    bundle = json.loads(oms.sign(payload, sign=lambda m: SERVER.sign(m, ec.ECDSA(hashes.SHA256())), spki_pem=public))
    raw = base64.b64encode(leaf.public_bytes(serialization.Encoding.DER)).decode()
    bundle["verificationMaterial"] = {"x509CertificateChain": {"certificates": [{"rawBytes": raw}]}, "tlogEntries": []}
    (place / "model.sig").write_text(json.dumps(bundle))
    (place / "root.pem").write_bytes(root.public_bytes(PEM))
    trust = CertificateTrust((root.public_bytes(PEM),), NOW)
    answer = weakness.ours(lambda: stage.hold(place / "model", oms.verify((place / "model.sig").read_bytes(), trust)))
    reference = weakness.by_certificate(place, place / "root.pem")
    return Answers(reference, answer, "not for signing" in answer)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
