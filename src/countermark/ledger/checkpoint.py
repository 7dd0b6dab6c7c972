"""Checkpoints: signed tree heads, and what it means that one follows from another.

Source: C2SP tlog-checkpoint v1.0. A `Checkpoint` value exists only for a signature that verified.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.note import Note, NoteKey, decode_base64, sign_note

MAX_SIZE_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head whose signature was verified by `verify_checkpoint` or made by `issue`.

    Attributes:
        origin: name of the log. size: leaves in the tree. root: 32 bytes.
        note: the signed bytes verbatim, cosignatures of others included.
    """

    origin: str
    size: int
    root: bytes
    note: bytes


def issue(size: int, root: bytes, key: NoteKey, sign: Callable[[bytes], bytes]) -> Checkpoint:
    """Sign a tree head; the key's name is the origin.

    Raises:
        LedgerRefused: `sign` does not belong to `key`.
    """
    text = f"{key.name}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
    return Checkpoint(key.name, size, root, sign_note(text, key, sign).to_bytes())


def verify_checkpoint(note: bytes, key: NoteKey) -> Checkpoint:
    """Check that `note` is a checkpoint of the log that `key` belongs to.

    1. parse the note; 2. every signature naming the key verifies, and there is one; 3. the text is a
    tree head; 4. its origin is the key's name. Witness quorum and freshness are the caller's.

    Raises:
        LedgerRefused: one of the steps fails.
    """
    parsed = Note.from_bytes(note)
    parsed.verify(key)
    origin, size, root = _tree_head(parsed.text)
    if origin != key.name:
        raise LedgerRefused(f"the checkpoint is of log {origin!r}", why=f"expected {key.name!r}")
    return Checkpoint(origin, size, root, note)


def claimed_size(note: bytes) -> int:
    """Tree size that a checkpoint claims, without any check of its signature.

    Raises:
        LedgerRefused: not a checkpoint.
    """
    return _tree_head(Note.from_bytes(note).text)[1]


def claimed_head(note: bytes) -> tuple[int, str]:
    """Tree size and root (hex) that a checkpoint claims, without any check of its signature.

    Raises:
        LedgerRefused: not a checkpoint.
    """
    _, size, root = _tree_head(Note.from_bytes(note).text)
    return size, root.hex()


def verify_consistency(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> Checkpoint:
    """Check that the log only grew from `old` to `new`.

    Returns:
        `new`, now known to extend `old`.

    Raises:
        LedgerRefused: different logs, a shrunk tree, or a rewritten history.
    """
    if old.origin != new.origin:
        raise LedgerRefused(f"checkpoints of two logs: {old.origin!r} and {new.origin!r}")
    if old.size > new.size:
        raise LedgerRefused(f"log {new.origin!r} shrank from {old.size} to {new.size} entries")
    if old.size == 0:  # Any tree extends the empty one; RFC 6962 defines no proof for it.
        if proof:
            raise LedgerRefused("a consistency proof from the empty tree must be empty")
        return new
    merkle.verify_consistency(old.size, new.size, old.root, new.root, proof)
    return new


def decimal(text: str, what: str) -> int:
    """An unsigned decimal below 2**63 without leading zeroes.

    Raises:
        LedgerRefused: anything else.
    """
    plain = text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))
    if not plain or len(text) > MAX_SIZE_DIGITS or int(text) >= merkle.MAX_SIZE:
        raise LedgerRefused(f"{what} is not a plain decimal number", why=repr(text[:40]))
    return int(text)


def _tree_head(text: bytes) -> tuple[str, int, bytes]:
    """Origin, size and root; extension lines are allowed by the specification and mean nothing here."""
    lines = text.decode().split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise LedgerRefused("a checkpoint needs origin, size and root on lines of their own")
    size, root = decimal(lines[1], "the tree size"), decode_base64(lines[2], "the root hash")
    if len(root) != 32:
        raise LedgerRefused(f"the root hash is {len(root)} bytes, not 32")
    if size == 0 and root != merkle.RFC6962.empty():
        raise LedgerRefused("an empty tree with a root of its own", why=root.hex())
    return lines[0], size, root
