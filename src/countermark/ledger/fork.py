"""Evidence that a ledger showed two histories: two heads that its key signed, and hashes by which no log can have both.

Anybody who trusts the ledger's key can check it, with no ledger at hand. The later head's tree begins with another tree than
the earlier head says: `proof` leads from `root` to the later head, and `root` is not the earlier head's. Heads of one size need no proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from countermark import canonical, merkle
from countermark.canonical import Fields
from countermark.errors import LedgerRefused, StatementRefused
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint
from countermark.ledger.note import MAX_NOTE_BYTES, NoteKey

FORMAT = 1
MAX_BYTES = 4 * MAX_NOTE_BYTES + 16_384
MAX_PROOF = 64


@dataclass(frozen=True, slots=True)
class Fork:
    """Two signed heads that contradict each other; nothing here is verified before `verify`.

    Attributes:
        earlier, later: signed notes, by size. root: of the later tree's first leaves, as many as the earlier has; 32 bytes.
        proof: consistency proof (RFC 6962) from `root` to the later head.
    """

    earlier: bytes
    later: bytes
    root: bytes
    proof: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes(
            {"format": FORMAT, "earlier": self.earlier.decode(), "later": self.later.decode(), "root": self.root.hex(),
             "proof": [node.hex() for node in self.proof]}
        )  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> Fork:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(
            canonical.from_bytes(data, what="evidence of a fork", max_bytes=MAX_BYTES), "evidence of a fork"
        )
        if fields.integer("format") != FORMAT:
            raise StatementRefused("evidence of a fork in an unknown format", mend="update Countermark")
        proof = fields.texts("proof")
        if len(proof) > MAX_PROOF:
            raise StatementRefused(f"evidence of a fork: a proof of {len(proof)} hashes")
        out = cls(
            fields.text("earlier", most=MAX_NOTE_BYTES).encode(), fields.text("later", most=MAX_NOTE_BYTES).encode(),
            bytes.fromhex(fields.hex("root")), tuple(bytes.fromhex(Fields({"hash": h}, "proof").hex("hash")) for h in proof),
        )  # fmt: skip
        fields.done()
        return out

    def verify(self, keys: tuple[NoteKey, NoteKey]) -> tuple[Checkpoint, Checkpoint]:
        """Check that the log's key signed both heads, and that no log can have both.

        Args:
            keys: of the earlier and the later head, which differ where the ledger's key was replaced between them.

        Raises:
            LedgerRefused: it shows no fork.
        """
        earlier, later = verify_checkpoint(self.earlier, keys[0]), verify_checkpoint(self.later, keys[1])
        if earlier.origin != later.origin or not 0 < earlier.size <= later.size or self.root == earlier.root:
            raise LedgerRefused(
                "these two heads do not contradict each other", why=f"{earlier.size} and {later.size} entries"
            )
        merkle.verify_consistency(earlier.size, later.size, self.root, later.root, self.proof)
        return earlier, later
