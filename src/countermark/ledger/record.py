"""What a ledger leaf commits to, and the opening that shows it to those who may see.

A leaf is ``version || SHA-256(domain || 32 random bytes || canonical record)``: neither who nor what
nor when shows. Whoever holds the opening (nonce and record) can prove what the leaf says; nobody can
open one leaf in two ways without a SHA-256 collision. A record counts only where its fields equal
those of the signed envelope; that comparison belongs to the caller.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from countermark import canonical
from countermark.errors import LedgerRefused

LEAF_VERSION = b"\x01"
DOMAIN = b"countermark/ledger-record/v1\x00"
NONCE_BYTES = 32
LEAF_BYTES = 33
MAX_TEXT = 512
MAX_OPENING_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Record:
    """The meaning of one leaf; the ledger itself never reads it.

    Attributes:
        type: predicate type of the statement, 1 to 512 characters.
        envelope: hex SHA-256 of the envelope's payload.
        subject: hex digest that the statement speaks of.
        signer: id of the signing party or key, 1 to 512 characters.
        sequence: the signer's running number, 0 to 2**53 - 1.
    """

    type: str
    envelope: str
    subject: str
    signer: str
    sequence: int

    def __post_init__(self) -> None:
        for name, text in (("type", self.type), ("signer", self.signer)):
            if not isinstance(text, str) or not 1 <= len(text) <= MAX_TEXT:
                raise LedgerRefused(f"the record's {name} is not 1 to {MAX_TEXT} characters")
        for name, digest in (("envelope", self.envelope), ("subject", self.subject)):
            if not _is_digest(digest):
                raise LedgerRefused(f"the record's {name} is not a SHA-256 in lower-case hex", why=repr(digest)[:100])
        if type(self.sequence) is not int or not 0 <= self.sequence < 1 << 53:
            raise LedgerRefused("the record's sequence is not an integer from 0 to 2**53 - 1")

    def to_json(self) -> dict[str, Any]:
        """JSON object with exactly the five fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Record:
        """Parse the form `to_json` writes.

        Raises:
            LedgerRefused: a field is missing, unknown or of the wrong kind.
        """
        if not isinstance(value, dict) or set(value) != {"type", "envelope", "subject", "signer", "sequence"}:
            raise LedgerRefused("a ledger record has other fields than type, envelope, subject, signer, sequence")
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Opening:
    """Nonce (32 bytes, secret until shown) and record: what opens a leaf. Keep in files of mode 0600."""

    nonce: bytes
    record: Record

    def leaf(self) -> bytes:
        """The leaf that this opens, 33 bytes."""
        return commit(self.record, self.nonce)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({"version": 1, "nonce": self.nonce.hex(), "record": self.record.to_json()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Opening:
        """Parse the form `to_bytes` writes.

        Raises:
            StatementRefused: not JSON. LedgerRefused: not an opening of a known version.
        """
        return cls.from_json(canonical.object_from_bytes(data, what="ledger opening", max_bytes=MAX_OPENING_BYTES))

    @classmethod
    def from_json(cls, value: object) -> Opening:
        """Take an opening from JSON that was parsed strictly, such as a part of a slip.

        Raises:
            LedgerRefused: not an opening of a known version.
        """
        if not isinstance(value, dict) or set(value) != {"version", "nonce", "record"}:
            raise LedgerRefused("a ledger opening has other fields than version, nonce and record")
        if type(value["version"]) is not int or value["version"] != 1:
            raise LedgerRefused("this is not a ledger opening of version 1")
        if not _is_digest(value["nonce"]):
            raise LedgerRefused("the opening's nonce is not 32 bytes of lower-case hex")
        return cls(bytes.fromhex(value["nonce"]), Record.from_json(value["record"]))


def commit(record: Record, nonce: bytes) -> bytes:
    """The leaf for `record`: 33 bytes.

    Args:
        nonce: 32 fresh random bytes, never used for another record.

    Raises:
        LedgerRefused: the nonce is not 32 bytes.
    """
    if len(nonce) != NONCE_BYTES:
        raise LedgerRefused(f"the nonce is {len(nonce)} bytes, not {NONCE_BYTES}")
    return LEAF_VERSION + hashlib.sha256(DOMAIN + nonce + canonical.to_bytes(record.to_json())).digest()


def fresh_opening(record: Record) -> Opening:
    """An opening with a nonce from the operating system's generator."""
    return Opening(secrets.token_bytes(NONCE_BYTES), record)


def open_leaf(leaf: bytes, opening: Opening) -> Record:
    """The record that `leaf` commits to.

    Raises:
        LedgerRefused: the leaf is of another version, or the opening belongs to another leaf.
    """
    if len(leaf) != LEAF_BYTES or leaf[:1] != LEAF_VERSION:
        raise LedgerRefused("this leaf is not of version 1", why=f"{len(leaf)} bytes, begins {leaf[:1].hex()}")
    if not hmac.compare_digest(leaf, opening.leaf()):
        raise LedgerRefused("the opening does not fit this leaf", why=f"leaf {leaf.hex()}")
    return opening.record


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and all(char in "0123456789abcdef" for char in value)
