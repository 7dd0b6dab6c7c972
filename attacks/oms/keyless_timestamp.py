"""Bundles of Rekor's second generation: the log tells no time, a timestamp authority (RFC 3161) does. OpenSSL plays that authority.

Sources: rekor-tiles (``hashedrekord`` 0.0.2 over the envelope's pre-authentication encoding), RFC 3161, protobuf-specs.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import keyless_world as world
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from keyless_world import DAY, NOW, World, b64

from countermark import dsse

OPENSSL = shutil.which("openssl")
CONFIG = """[tsa]
serial = serial
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""


@dataclass
class Stamper:
    """A timestamp authority: a root and a certificate for stamping."""

    root: ec.EllipticCurvePrivateKey = field(default_factory=lambda: world.key(31))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: world.key(32))

    @cached_property
    def chain(self) -> list[x509.Certificate]:
        """The stamping certificate, and its root."""
        root = world.authority_certificate("local-tsa-root", self.root, "local-tsa-root", self.root, 1)
        leaf = (
            x509.CertificateBuilder().subject_name(world.name("local-tsa")).issuer_name(root.subject)
            .public_key(self.private.public_key()).serial_number(31).not_valid_before(NOW - DAY).not_valid_after(NOW + 3650 * DAY)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .add_extension(world.usage(digital_signature=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root.public_key()), critical=False)
            .sign(self.root, hashes.SHA256())
        )  # fmt: skip
        return [leaf, root]

    def stamp(self, signature: bytes) -> bytes:
        """A timestamp response over a signature, for this very moment."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "data").write_bytes(signature)
            (place / "tsa.cnf").write_text(CONFIG)
            (place / "serial").write_text("01\n")
            pem = serialization.Encoding.PEM
            (place / "cert.pem").write_bytes(self.chain[0].public_bytes(pem))
            (place / "key.pem").write_bytes(
                self.private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            )
            for words in (
                ["-query", "-data", "data", "-sha256", "-cert", "-out", "query"],
                ["-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "query", "-signer", "cert.pem", "-inkey",
                 "key.pem", "-out", "reply"],
            ):  # fmt: skip
                subprocess.run([str(OPENSSL), "ts", *words], cwd=place, check=True, capture_output=True, timeout=30)
            return (place / "reply").read_bytes()

    def root_with(self, here: World) -> dict[str, Any]:
        """The world's trust root, with this authority in it."""
        period = {"start": (NOW - DAY).strftime("%Y-%m-%dT%H:%M:%SZ")}
        chain = [{"rawBytes": b64(c.public_bytes(serialization.Encoding.DER))} for c in self.chain]
        mine = {"subject": {"organization": "local", "commonName": "local-tsa"}, "uri": "https://tsa.invalid",
                "certChain": {"certificates": chain}, "validFor": period}  # fmt: skip
        return here.root() | {"timestampAuthorities": [mine]}


def sign(
    here: World, stamper: Stamper, payload: bytes, *, at: datetime | None = None, stamped: bytes | None = None
) -> dict[str, Any]:
    """A bundle as signers of today's public instance get them.

    Args:
        at: when the certificate begins; else now. stamped: what is stamped instead of the signature.
    """
    once = ec.generate_private_key(ec.SECP256R1())
    certificate = here.authority.issue(once.public_key(), at=at or datetime.now(UTC).replace(microsecond=0))
    message = dsse.pae(dsse.IN_TOTO, payload)
    signature = world.signed(once, message)
    der = certificate.public_bytes(serialization.Encoding.DER)
    spec = {"hashedRekordV002": {
        "data": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(message).digest())},
        "signature": {"content": b64(signature), "verifier": {
            "keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": b64(der)}}},
    }}  # fmt: skip
    body = rfc8785.dumps({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})
    entry = here.log.enter(body, NOW, ("hashedrekord", "0.0.2"))
    del entry["integratedTime"], entry["inclusionPromise"]
    bundle = world.bundle(payload, signature, certificate, entry)
    stamp = b64(stamper.stamp(signature if stamped is None else stamped))
    bundle["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp}]}
    return bundle
