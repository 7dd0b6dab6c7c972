"""The signed manifest of a sealed container: what its ciphertext is, for everybody, with no key.

Bytes in, a handle or an exception out: nothing is opened but through a `Verified`, which only `verified` makes. The manifest commits to the
ciphertext, so that whoever holds the content key cannot make another file that it fits; and it names its sealer, whom the content key's
commitment names too, so that whoever signs another manifest for the same ciphertext has one that opens for nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import SignatureRefused, StatementRefused, TrustRefused
from countermark.keys.signer import Signer, sign_envelope
from countermark.keys.verifier import PublicKey, verify_envelope
from countermark.merkle import Hashing
from countermark.seal import recipients
from countermark.seal.prelude import BYTES, Prelude
from countermark.seal.recipients import Recipients

PAYLOAD_TYPE = "application/vnd.countermark.sealed.v1+json"
FORMAT = 1
KINDS = ("model", "dataset", "recipe", "other")
HASHES = ("blake3", "sha256")
MOST_BYTES = 64 << 10
LEAF, NODE = b"\x30", b"\x31"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_TREE = b"countermark/seal/tree/v1\0"
ASK = "get it from whoever sealed it"
Authority = Callable[[dsse.Envelope], Mapping[str, str]]
"""Which keys signed an envelope and whose each is: key id -> a party's id, or the key's own. Raises SignatureRefused or TrustRefused where none counts."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a sealer says of a container.

    Attributes:
        kind: of `KINDS`. prelude: of the file. size: bytes of the file. hash: of `HASHES`. root: 32 bytes, over the ciphertext chunks.
        tree: hex SHA-256 of a salted tree digest of the plaintext and the sealer (`tree_commitment`), which tells nothing until the salt is told.
        project: fingerprint of the trust document, or "" outside a project. issued: RFC 3339.
    """

    kind: str
    prelude: Prelude
    size: int
    hash: str
    root: bytes
    tree: str
    project: str
    issued: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise StatementRefused(f"a sealed asset of kind {self.kind!r:.40}", why=f"one of {', '.join(KINDS)}")
        if self.hash not in HASHES:
            raise StatementRefused(
                f"a sealed manifest under the hash {self.hash!r:.40}", why=f"one of {', '.join(HASHES)}"
            )
        check_time(self.issued)
        self.prelude.check_size(self.size)

    @property
    def sealer(self) -> str:
        """Id of the key that must have signed this, hex; it stands in the prelude, too, which the ciphertext is bound to."""
        return self.prelude.sealer.hex()

    def hashing(self) -> Hashing:
        """How ciphertext chunks become leaves."""
        return hashing(self.hash)

    def to_bytes(self) -> bytes:
        """Canonical JSON payload."""
        said: dict[str, Any] = {
            "format": FORMAT,
            "kind": self.kind,
            "sealer": self.sealer,
            "prelude": self.prelude.to_bytes().hex(),
            "size": self.size,
            "hash": self.hash,
            "root": self.root.hex(),
            "tree": self.tree,
            "project": self.project,
            "issued": self.issued,
        }
        return canonical.to_bytes(said)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse strictly.

        Raises:
            StatementRefused, FormatRefused: malformed, or numbers that no container has.
        """
        fields = Fields(canonical.from_bytes(data, what="sealed manifest", max_bytes=MOST_BYTES), "sealed manifest")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a sealed manifest of another format", mend="a newer Countermark may read it")
        prelude = Prelude.from_bytes(bytes.fromhex(fields.hex("prelude", size=BYTES)))
        project = fields.text("project", most=64)
        if project:
            fields.hex("project")
        out = cls(
            fields.text("kind", most=40), prelude, fields.integer("size"), fields.text("hash", most=40),
            bytes.fromhex(fields.hex("root")), fields.hex("tree"), project, fields.text("issued", most=40),
        )  # fmt: skip
        if fields.hex("sealer") != out.sealer:
            raise StatementRefused("a sealed manifest names another sealer than the file's prelude", mend=ASK)
        fields.done()
        if out.to_bytes() != data:
            raise StatementRefused("a sealed manifest is not in its one form")
        return out

    def signed(self, signers: Iterable[Signer]) -> dsse.Envelope:
        """The envelope, signed by each in order."""
        return sign_envelope(PAYLOAD_TYPE, self.to_bytes(), signers)


def check_time(text: str) -> None:
    """Refuse what is no RFC 3339 time in UTC and whole seconds.

    Raises:
        StatementRefused: it is none.
    """
    try:
        again = datetime.strptime(text, _TIME).strftime(_TIME)
    except ValueError:
        again = ""
    if again != text:
        raise StatementRefused(f"issued at {text!r:.40}, which is no time", mend="YYYY-MM-DDTHH:MM:SSZ")


def hashing(name: str) -> Hashing:
    """Leaves and nodes of the tree over ciphertext chunks.

    Args:
        name: of `HASHES`.
    """
    if name == "sha256":
        return Hashing(LEAF, NODE, hashlib.sha256)
    import blake3

    new: Any = blake3.blake3
    return Hashing(LEAF, NODE, new)


def tree_commitment(salt: bytes, sealer: str, tree: str) -> str:
    """What the manifest says of the plaintext: hex SHA-256 of a label, 32 secret random bytes, the sealer's key id and the tree digest.

    A digest of guessable plaintext would confirm a guess; whoever is told the salt can compare. In another's manifest it links to nothing.
    """
    return canonical.sha256_hex(_TREE + salt + bytes.fromhex(sealer) + bytes.fromhex(tree))


def sealed_by(sealer: str, signed: Mapping[str, str]) -> str:
    """Whose the key is that sealed something; others may have signed beside it.

    Args:
        sealer: key id that is bound to what was sealed, hex. signed: as an `Authority` gives it.

    Raises:
        TrustRefused: that key did not sign, or does not count.
    """
    if sealer not in signed:
        raise TrustRefused(
            f"this was sealed with key {sealer[:16]}, which did not sign it, or is not known",
            why=f"signed with {', '.join(sorted(key[:16] for key in signed))}: only its sealer passes it on as his", mend=ASK,
        )  # fmt: skip
    return signed[sealer]


@dataclass(frozen=True, slots=True)
class Verified:
    """A handle: the manifest and the list of recipients of one container, signed by whom the reader trusts.

    Attributes:
        signed_by: who sealed it, as the authority names him. digest: hex SHA-256 of the manifest's payload.
    """

    manifest: Manifest
    recipients: Recipients
    signed_by: str
    digest: str


def verified(manifest: dsse.Envelope, listed: dsse.Envelope, authority: Authority, *, project: str = "") -> Verified:
    """Verify manifest and list.

    1. both are of their own payload types; 2. the manifest is signed with the key that it names as its sealer; 3. its holder signed the list,
    too; 4. the manifest is of this project, where one is named; 5. the list belongs to the container. That the ciphertext names this sealer is
    shown when it is opened: without a key one pile of noise is as good as another.

    Args:
        project: fingerprint that the manifest must name; "" where the reader is of no project.

    Raises:
        SignatureRefused, TrustRefused: nobody who counts signed, or not the sealer. StatementRefused, FormatRefused: malformed, or of another container.
    """
    for envelope, expected in ((manifest, PAYLOAD_TYPE), (listed, recipients.PAYLOAD_TYPE)):
        if envelope.payload_type != expected:
            raise StatementRefused(f"an envelope of type {envelope.payload_type!r:.120} where {expected} is due")
    signed, listers = authority(manifest), authority(listed)
    said, those = Manifest.from_bytes(manifest.payload), Recipients.from_bytes(listed.payload)
    who = sealed_by(said.sealer, signed)
    if who not in listers.values():
        raise TrustRefused(
            f"{who} sealed this, and {', '.join(sorted(set(listers.values())))} signed the list of recipients",
            why="one owner signs both", mend=ASK,
        )  # fmt: skip
    if project and said.project != project:
        raise TrustRefused(
            "this asset was sealed in another project", why=f"it names {said.project or 'none'}, this one is {project}"
        )
    those.check(said.prelude)
    return Verified(said, those, who, manifest.digest)


def key_of_pem(data: bytes) -> PublicKey:
    """A statement key from SubjectPublicKeyInfo in PEM.

    Raises:
        SignatureRefused: it is none.
    """
    try:
        der = load_pem_public_key(data).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("this is no public key in PEM", mend="openssl pkey -in KEY -pubout") from error
    return PublicKey.from_spki("statement", der)


def by_keys(keys: Iterable[PublicKey]) -> Authority:
    """An authority of pinned statement keys, for readers without a trust document; each is its own party.

    Raises:
        SignatureRefused: a key of another use.
    """
    known = {key.id: key for key in keys}
    for key in known.values():
        if key.use != "statement":
            raise SignatureRefused(f"key {key.id[:16]} is for the use {key.use}", mend="the sealer's statement key")

    return lambda envelope: {key: key for key in verify_envelope(envelope, known)}
