"""Receipts: proof on paper that a leaf is in the log, verifiable without the log.

Source: C2SP tlog-proof v1. A receipt holds the leaf's index, its inclusion proof and the signed
checkpoint the proof leads to. Files end in ``.tlog-proof``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.checkpoint import Checkpoint, claimed_size, decimal, verify_checkpoint
from countermark.ledger.note import MAX_NOTE_BYTES, NoteKey, decode_base64

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_HASHES = 63
MAX_EXTRA_BYTES = 64 << 10
MAX_RECEIPT_BYTES = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES + 8192


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as given or parsed; it shows nothing before `verify`.

    Attributes:
        index: zero-based index of the leaf.
        proof: inclusion proof, from the leaf's sibling upwards.
        checkpoint: signed note, verbatim.
        extra: opaque bytes of the application, not authenticated by anything.
    """

    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    @property
    def size(self) -> int:
        """Tree size that the checkpoint claims; to be believed only from `Proven`."""
        return claimed_size(self.checkpoint)

    def to_bytes(self) -> bytes:
        """Text of the ``.tlog-proof`` file."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(node).decode() for node in self.proof]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Parse a ``.tlog-proof`` file.

        Raises:
            LedgerRefused: too large, another format or version, malformed lines.
        """
        if len(data) > MAX_RECEIPT_BYTES:
            raise LedgerRefused(f"a receipt of {len(data)} bytes", why=f"the limit is {MAX_RECEIPT_BYTES}")
        head, gap, checkpoint = data.partition(b"\n\n")
        if not gap or not head.isascii():
            raise LedgerRefused("this is not a tlog-proof file", why="no blank line after the proof, or not ASCII")
        header, *lines = head.decode("ascii").split("\n")
        if header != HEADER:
            raise LedgerRefused("this is not a tlog-proof file", why=f"its first line is not {HEADER}")
        extra = _extra(lines.pop(0)) if lines and lines[0].startswith("extra ") else b""
        if not lines or not lines[0].startswith("index "):
            raise LedgerRefused("the receipt has no index line")
        index = decimal(lines[0].removeprefix("index "), "the receipt's index")
        return cls(index, _proof(lines[1:]), checkpoint, extra)


@dataclass(frozen=True, slots=True)
class Proven:
    """What `verify` showed: `leaf` is entry `index` of the log at `checkpoint`."""

    leaf: bytes
    index: int
    checkpoint: Checkpoint


def verify(leaf: bytes, receipt: bytes, ledger_key: NoteKey) -> Proven:
    """Check a receipt for a leaf.

    1. parse the receipt; 2. the checkpoint is signed by `ledger_key`; 3. the proof leads from the
    leaf to the checkpoint's root. That the leaf means what somebody says (`record.open_leaf`), that
    the key may sign trees of this size, quorum and freshness are the caller's.

    Args:
        leaf: the log entry as appended, not its hash. receipt: bytes of a tlog-proof file.

    Raises:
        LedgerRefused: one of the steps fails.
    """
    parsed = Receipt.from_bytes(receipt)
    checkpoint = verify_checkpoint(parsed.checkpoint, ledger_key)
    merkle.verify_inclusion(merkle.RFC6962.leaf(leaf), parsed.index, checkpoint.size, parsed.proof, checkpoint.root)
    return Proven(leaf, parsed.index, checkpoint)


def _extra(line: str) -> bytes:
    encoded = line.removeprefix("extra ")
    if not encoded or len(encoded) > 2 * MAX_EXTRA_BYTES:
        raise LedgerRefused("the receipt's extra line is empty or too long")
    return decode_base64(encoded, "the receipt's extra line")


def _proof(lines: list[str]) -> tuple[bytes, ...]:
    if len(lines) > MAX_PROOF_HASHES:
        raise LedgerRefused(f"the receipt's proof holds {len(lines)} hashes", why=f"at most {MAX_PROOF_HASHES}")
    proof = tuple(decode_base64(line, "a hash of the receipt") for line in lines)
    if any(len(node) != 32 for node in proof):
        raise LedgerRefused("a hash of the receipt is not 32 bytes")
    return proof
