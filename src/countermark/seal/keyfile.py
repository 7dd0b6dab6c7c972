"""Sealing keys in files: a private half, mode 0600, and a public half to hand to whoever seals.

A sealing key opens content keys and does nothing else; it is no signing key, and no signing key seals. The private file holds PKCS#8
PEM (RFC 5958), one block for P-256, two for X-Wing: ML-KEM-768 (RFC 9935) then X25519, each under the passphrase where there is one. The
public half is canonical JSON, as it stands or as the payload of an envelope that its party signed with its statement key.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import FormatRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys.signer import read_private
from countermark.seal import hpke
from countermark.seal.hpke import Halves, HpkeIdentity, HpkeRecipient, SealingKey
from countermark.seal.manifest import Authority
from countermark.seal.stanza import Binding
from countermark.workspace.disk import Disk

PAYLOAD_TYPE = "application/vnd.countermark.sealing-key.v1+json"
PRIVATE, PUBLIC = ".sealkey", ".sealpub"
FORMAT = 1
MOST_BYTES = 16 << 10
_BLOCK = re.compile(
    rb"-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END (?:ENCRYPTED )?PRIVATE KEY-----\n"
)


def save(path: Path, private: Halves | ec.EllipticCurvePrivateKey, passphrase: bytes | None, disk: Disk) -> None:
    """Write a private key, mode 0600, durably; an existing file is never replaced.

    Raises:
        Unusable: the file exists or cannot be written, or the passphrase is empty.
    """
    if passphrase == b"":
        raise Unusable("an empty passphrase protects nothing", mend="name one, or none at all")
    if path.exists() or path.is_symlink():
        raise Unusable(f"{path} exists", why="a key is never overwritten", mend="name another file")
    protect = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    parts = private if isinstance(private, tuple) else (private,)
    disk.write(path, b"".join(_pem(part, protect) for part in parts))


def _pem(
    key: mlkem.MLKEM768PrivateKey | x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey,
    protect: KeySerializationEncryption,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protect)


def _private(path: Path) -> bytes:
    try:
        return read_private(path)
    except Unusable as error:
        mend = error.mend if error.mend.startswith("chmod") else "`countermark recipients new NAME` makes a sealing key"
        raise Unusable(error.what, why=error.why, mend=mend) from error


def protected(path: Path) -> bool:
    """Whether a private key file needs a passphrase.

    Raises:
        Unusable: it cannot be read, or others can.
    """
    return b"ENCRYPTED" in _private(path)


def age_secret(path: Path) -> str:
    """The secret key in a file as ``age-keygen`` writes it (comments, then one key), "" where it is none.

    Raises:
        Unusable: it cannot be read, or others can.
    """
    lines = [
        line for line in _private(path).decode("ascii", "replace").splitlines() if line and not line.startswith("#")
    ]
    return lines[0] if len(lines) == 1 and lines[0].startswith("AGE-SECRET-KEY-1") else ""


def load(path: Path, passphrase: bytes | None = None) -> HpkeIdentity:
    """Read a private key.

    Raises:
        Unusable: missing, readable by others, no sealing key, or the passphrase is wrong or missing.
    """
    data = _private(path)
    blocks = _BLOCK.findall(data)
    if b"".join(blocks) != data or not 1 <= len(blocks) <= 2:
        raise Unusable(f"{path.name} is no sealing key", mend="`countermark recipients new NAME` makes one")
    try:
        keys = [load_pem_private_key(block, passphrase) for block in blocks]
    except TypeError as error:
        needed = "no passphrase is needed" if passphrase else "it needs a passphrase"
        raise Unusable(f"{path.name}: {needed}", mend="use --passphrase-file or answer the prompt") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable(f"{path.name} does not open: the passphrase is wrong, or this is no key") from error
    match keys:
        case [mlkem.MLKEM768PrivateKey() as one, x25519.X25519PrivateKey() as two]:
            return HpkeIdentity((one, two))
        case [ec.EllipticCurvePrivateKey() as one] if isinstance(one.curve, ec.SECP256R1):
            return HpkeIdentity(one)
    raise Unusable(f"{path.name} is no sealing key", why="ML-KEM-768 with X25519, or P-256",
                   mend="`countermark recipients new NAME` makes one")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """A recipient as others know it.

    Attributes:
        name: 1 to 64 of a-z, 0-9, dot, dash, underscore. key: to wrap for.
    """

    name: str
    key: SealingKey

    def __post_init__(self) -> None:
        Binding(bytes(32), bytes(32), self.name)

    def recipient(self) -> HpkeRecipient:
        """To seal for."""
        return HpkeRecipient(self.name, self.key)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        public = base64.b64encode(self.key.raw).decode()
        return canonical.to_bytes({"format": FORMAT, "name": self.name, "kind": self.key.kind, "public": public})

    @classmethod
    def from_bytes(cls, data: bytes) -> PublicHalf:
        """Parse strictly.

        Raises:
            StatementRefused, FormatRefused: malformed, or no key.
        """
        fields = Fields(canonical.from_bytes(data, what="sealing key", max_bytes=MOST_BYTES), "sealing key")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a sealing key of another format", mend="a newer Countermark may read it")
        name, kind, raw = fields.text("name", most=64), fields.text("kind", most=40), fields.base64("public")
        fields.done()
        for known in (hpke.XWING, hpke.P256):
            if known == kind:
                return cls(name, SealingKey(known, raw))
        raise FormatRefused(f"a sealing key of kind {kind!r:.40}", why=f"known are {hpke.XWING} and {hpke.P256}")


def read_public(data: bytes, authority: Authority | None) -> tuple[PublicHalf, str]:
    """A recipient's public half, and which party signed it; "" where nobody did, and people must compare its id.

    Args:
        authority: who may vouch; None outside a project, where a signature says nothing.

    Raises:
        StatementRefused, FormatRefused, SignatureRefused: malformed, or its signature does not hold. TrustRefused: signed for another party's name.
    """
    said = canonical.object_from_bytes(data, what="sealing key", max_bytes=MOST_BYTES)
    if "payloadType" not in said:
        return PublicHalf.from_bytes(data.strip()), ""
    envelope = dsse.Envelope.from_json(said, what="sealing key")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise StatementRefused(f"an envelope of type {envelope.payload_type!r:.120} holds no sealing key")
    half = PublicHalf.from_bytes(envelope.payload)
    parties = sorted(set(authority(envelope).values())) if authority else []
    for party in parties:
        if half.name == party or half.name.startswith(party + "."):
            return half, party
    if parties:
        raise TrustRefused(
            f"{', '.join(parties)} signed a sealing key for {half.name}", why="a party's own are its id and ID.ANYTHING"
        )
    return half, ""
