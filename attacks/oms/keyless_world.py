"""A Sigstore of our own, entirely local: an authority, its certificate log, a log of signatures, and the trust root that names them.

Everything is really signed: a bundle made here verifies because its certificates, SCT, inclusion proof, checkpoint and promise do, and
for no other reason. Sources: Fulcio's certificate specification, RFC 6962 (SCT, Merkle tree), Rekor v1 (``dsse`` 0.0.1, signed entry
timestamp, checkpoint), protobuf-specs (bundle v0.3, trusted root v0.1).
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from countermark import dsse, merkle

IDENTITY, ISSUER = "mara@works.example", "https://login.works.example"
NOW = datetime(2026, 3, 10, 10, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ISSUER_V1, ISSUER_V2 = (x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{n}") for n in (1, 8))
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
Private = ec.EllipticCurvePrivateKey


def key(number: int) -> Private:
    """A key that is the same in every run."""
    return ec.derive_private_key(0xFACE0000 + number, ec.SECP256R1())


def spki(private: Private) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    public = private.public_key()
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def b64(data: bytes) -> str:
    """Base64 as JSON carries it."""
    return base64.b64encode(data).decode()


def signed(private: Private, data: bytes) -> bytes:
    """ECDSA with SHA-256, DER."""
    return private.sign(data, ec.ECDSA(hashes.SHA256()))


@dataclass
class Authority:
    """Issues certificates of ten minutes, as Fulcio does; each goes to the certificate log first."""

    root: Private = field(default_factory=lambda: key(1))
    private: Private = field(default_factory=lambda: key(2))
    log: Private = field(default_factory=lambda: key(3))

    def chain(self) -> list[x509.Certificate]:
        """The intermediate that signs, and its root."""
        return [authority_certificate("local-intermediate", self.private, "local-root", self.root, 0),
                authority_certificate("local-root", self.root, "local-root", self.root, 1)]  # fmt: skip

    def issue(self, holder: ec.EllipticCurvePublicKey, *, at: datetime = NOW, identity: str = IDENTITY, issuer: str = ISSUER,
              names: list[x509.GeneralName] | None = None, issuer_v2: str | None = None, promised: bool = True,
              use: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING) -> x509.Certificate:  # fmt: skip
        """A certificate over `holder`; with `promised` it carries the log's promise."""
        alternative = x509.SubjectAlternativeName(names or [x509.RFC822Name(identity)])
        written = asn1.encode_der(issuer if issuer_v2 is None else issuer_v2)
        builder = (
            x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(name("local-intermediate"))
            .public_key(holder).serial_number(int(at.timestamp())).not_valid_before(at).not_valid_after(at + 10 * MINUTE)
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key()), critical=False)
            .add_extension(alternative, critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER_V1, issuer.encode()), critical=False)
            .add_extension(x509.UnrecognizedExtension(ISSUER_V2, written), critical=False)
        )  # fmt: skip
        if promised:
            plain = builder.sign(self.private, hashes.SHA256()).tbs_certificate_bytes
            promise = x509.UnrecognizedExtension(SCT_LIST, self._promise(plain, at))
            builder = builder.add_extension(promise, critical=False)
        return builder.sign(self.private, hashes.SHA256())

    def _promise(self, plain: bytes, at: datetime) -> bytes:
        """An SCT list of one, over the certificate without it (RFC 6962, sections 3.2 and 3.3)."""
        millis, issuer = int(at.timestamp() * 1000), hashlib.sha256(spki(self.private)).digest()
        entry = issuer + len(plain).to_bytes(3, "big") + plain
        signature = signed(self.log, struct.pack("!BBQH", 0, 0, millis, 1) + entry + b"\0\0")
        sct = b"\0" + hashlib.sha256(spki(self.log)).digest() + struct.pack("!QH", millis, 0)
        sct += b"\x04\x03" + struct.pack("!H", len(signature)) + signature
        one = struct.pack("!H", len(sct)) + sct
        return asn1.encode_der(struct.pack("!H", len(one)) + one)


@dataclass
class Log:
    """A transparency log of signatures, as Rekor keeps one; it starts with some entries of others."""

    private: Private = field(default_factory=lambda: key(4))
    leaves: list[bytes] = field(default_factory=lambda: [b"another's entry %d" % n for n in range(5)])
    origin: str = "local-rekor - 1"

    @property
    def id(self) -> bytes:
        """SHA-256 of the key."""
        return hashlib.sha256(spki(self.private)).digest()

    def enter(self, body: bytes, at: datetime, kind: tuple[str, str] = ("dsse", "0.0.1")) -> dict[str, Any]:
        """Append an entry; what a bundle carries about it."""
        index = len(self.leaves)
        self.leaves.append(body)
        hashed = [merkle.RFC6962.leaf(leaf) for leaf in self.leaves]
        root, size = merkle.root(hashed), len(hashed)
        return {
            "logIndex": str(index), "logId": {"keyId": b64(self.id)}, "kindVersion": {"kind": kind[0], "version": kind[1]},
            "integratedTime": str(int(at.timestamp())), "canonicalizedBody": b64(body),
            "inclusionPromise": {"signedEntryTimestamp": b64(self.promise(body, at, index))},
            "inclusionProof": {"logIndex": str(index), "rootHash": b64(root), "treeSize": str(size),
                               "hashes": [b64(h) for h in merkle.inclusion_proof(hashed, index)],
                               "checkpoint": {"envelope": self.checkpoint(size, root)}},
        }  # fmt: skip

    def promise(self, body: bytes, at: datetime, index: int) -> bytes:
        """The signed entry timestamp."""
        said = {"body": b64(body), "integratedTime": int(at.timestamp()), "logID": self.id.hex(), "logIndex": index}
        return signed(self.private, rfc8785.dumps(said))

    def checkpoint(self, size: int, root: bytes) -> str:
        """A signed note over the tree."""
        text = f"{self.origin}\n{size}\n{b64(root)}\n"
        signature = b64(self.id[:4] + signed(self.private, text.encode()))
        return f"{text}\n— {self.origin.split()[0]} {signature}\n"


def entry_body(payload: bytes, signature: bytes, certificate: x509.Certificate) -> bytes:
    """What Rekor v1 keeps of an envelope: ``dsse`` 0.0.1, canonical."""
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    sha = lambda data: {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}  # noqa: E731
    spec = {"envelopeHash": sha(payload + signature), "payloadHash": sha(payload),
            "signatures": [{"signature": b64(signature), "verifier": b64(pem)}]}  # fmt: skip
    return rfc8785.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})


@dataclass
class World:
    """All of it together; `sign` is what a keyless signer ends up with."""

    authority: Authority = field(default_factory=Authority)
    log: Log = field(default_factory=Log)

    def sign(
        self, payload: bytes, *, at: datetime = NOW, logged: datetime | None = None, **issue: Any
    ) -> dict[str, Any]:
        """A bundle over `payload`, by a key that exists for this call alone."""
        once = ec.generate_private_key(ec.SECP256R1())
        certificate = self.authority.issue(once.public_key(), at=at, **issue)
        signature = signed(once, dsse.pae(dsse.IN_TOTO, payload))
        entry = self.log.enter(entry_body(payload, signature, certificate), logged or at + MINUTE)
        return bundle(payload, signature, certificate, entry)

    def root(self, *, until: datetime | None = None) -> dict[str, Any]:
        """The trust root that names these authorities; `until` when they were in use."""
        period = {"start": _stamp(NOW - 30 * DAY)} | ({"end": _stamp(until)} if until else {})
        chain = [{"rawBytes": b64(c.public_bytes(serialization.Encoding.DER))} for c in self.authority.chain()]
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_instance("https://rekor.invalid", self.log.private, period)],
            "ctlogs": [_instance("https://ct.invalid", self.authority.log, period)],
            "certificateAuthorities": [{"subject": {"organization": "local", "commonName": "local-root"},
                                        "uri": "https://fulcio.invalid", "certChain": {"certificates": chain},
                                        "validFor": period}],
            "timestampAuthorities": [],
        }  # fmt: skip


def bundle(payload: bytes, signature: bytes, certificate: x509.Certificate, entry: dict[str, Any]) -> dict[str, Any]:
    """A Sigstore bundle v0.3."""
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"tlogEntries": [entry], "certificate": {
            "rawBytes": b64(certificate.public_bytes(serialization.Encoding.DER))}},
        "dsseEnvelope": {"payload": b64(payload), "payloadType": dsse.IN_TOTO, "signatures": [{"sig": b64(signature)}]},
    }  # fmt: skip


def to_bytes(value: dict[str, Any]) -> bytes:
    """JSON."""
    return json.dumps(value).encode()


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _instance(url: str, private: Private, period: dict[str, str]) -> dict[str, Any]:
    return {
        "baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": {"keyId": b64(hashlib.sha256(spki(private)).digest())},
        "publicKey": {"rawBytes": b64(spki(private)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": period},
    }  # fmt: skip


def name(common: str) -> x509.Name:
    """The subject of an authority."""
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "local"),
                      x509.NameAttribute(NameOID.COMMON_NAME, common)])  # fmt: skip


def usage(**on: bool) -> x509.KeyUsage:
    """Key usage with these bits on."""
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{bit: on.get(bit, False) for bit in every})


def authority_certificate(common: str, private: Private, by: str, signer: Private, length: int) -> x509.Certificate:
    """A certificate that lets `private` issue others."""
    return (
        x509.CertificateBuilder().subject_name(name(common)).issuer_name(name(by)).public_key(private.public_key())
        .serial_number(1000 + length).not_valid_before(NOW - 365 * DAY).not_valid_after(NOW + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )  # fmt: skip
