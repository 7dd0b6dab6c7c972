"""The passport file (``.cmpass``): everything a verdict needs, in one file, for a party with no workspace.

For a licensee the suppliers' deliveries are opaque commitments: a leaf and its receipt show that they are
in the ledger, and nothing else. For an auditor they are opened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from countermark import canonical, dsse
from countermark.artefact.tree import Tree, TreeEntry, tree_of
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.passport.slip import Slip

FORMAT = 1
SUFFIX = ".cmpass"
MAX_BYTES = 64 << 20
MAX_STATEMENTS = 10_000
MAX_HEADS = 64


@dataclass(frozen=True, slots=True)
class Commitment:
    """An opaque ledger entry: the leaf as it stands in the log, and its receipt."""

    leaf: bytes
    receipt: bytes

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"leaf": self.leaf.hex(), "receipt": self.receipt.decode()}

    @classmethod
    def from_json(cls, value: Any) -> Commitment:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "commitment")
        out = cls(bytes.fromhex(fields.hex("leaf", size=33)), fields.text("receipt", most=1 << 18).encode())
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Passport:
    """The papers of one model; nothing here is verified yet.

    Attributes:
        trust: all versions of the trust document, oldest first. policy: bytes of the policy that was applied.
        model: the model's tree, so that a changed file can be named. verdict: slip of the verdict.
        statements: slips of all statements that the verdict rests on, deliveries apart.
        deliveries: slips (for an auditor) or commitments (for a licensee) of the admitted deliveries.
        consistency: earlier ledger size -> proof that the ledger only grew since.
        evidence: what policy judged; only for an auditor, because it names suppliers.
        heads: earlier ledger heads that the quorum cosigned; `consistency` shows that the ledger extends each.
    """

    trust: tuple[dsse.Envelope, ...]
    policy: bytes
    model: Tree
    verdict: Slip
    statements: tuple[Slip, ...]
    deliveries: tuple[Slip | Commitment, ...]
    consistency: dict[int, tuple[bytes, ...]]
    evidence: dict[str, Any] | None = None
    heads: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        seen = {"heads": [note.decode() for note in self.heads]} if self.heads else {}
        return canonical.to_bytes(
            seen
            | {
                "format": FORMAT,
                "trust": [json.loads(e.to_bytes()) for e in self.trust],
                "policy": self.policy.decode(),
                "model": [e.to_json() for e in self.model.entries],
                "verdict": self.verdict.to_json(),
                "statements": [s.to_json() for s in self.statements],
                "deliveries": [d.to_json() for d in self.deliveries],
                "consistency": {str(size): [h.hex() for h in proof] for size, proof in self.consistency.items()},
                "evidence": self.evidence,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Passport:
        """Parse strictly.

        Raises:
            StatementRefused, TreeRefused, LedgerRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="passport", max_bytes=MAX_BYTES), "passport")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("passport of an unknown format", mend="update Countermark")
        evidence = fields.optional("evidence")
        if evidence is not None and not isinstance(evidence, dict):
            raise StatementRefused("passport: evidence is not an object")
        out = cls(
            trust=tuple(_envelope(e) for e in _bounded(fields, "trust")),
            policy=fields.text("policy", most=1 << 20).encode(),
            model=tree_of(TreeEntry.from_json(e) for e in fields.items("model")),
            verdict=Slip.from_json(fields.object("verdict"), what="verdict"),
            statements=tuple(Slip.from_json(s) for s in _bounded(fields, "statements")),
            deliveries=tuple(_delivery(d) for d in _bounded(fields, "deliveries")),
            consistency=dict(_proof(s, p) for s, p in fields.object("consistency").items()),
            evidence=evidence,
            heads=_heads(fields),
        )
        fields.done()
        return out

    def slips(self) -> Sequence[Slip]:
        """Every slip in the passport, the verdict last."""
        opened = [d for d in self.deliveries if isinstance(d, Slip)]
        return [*opened, *self.statements, self.verdict]


def _bounded(fields: Fields, name: str) -> list[Any]:
    values = fields.items(name)
    if len(values) > MAX_STATEMENTS:
        raise StatementRefused(f"passport: {len(values)} {name}, at most {MAX_STATEMENTS} are taken")
    return values


def _heads(fields: Fields) -> tuple[bytes, ...]:
    if fields.optional("heads") is None:
        return ()
    notes = fields.items("heads")
    if len(notes) > MAX_HEADS:
        raise StatementRefused(f"passport: {len(notes)} heads, at most {MAX_HEADS} are taken")
    return tuple(Fields({"note": note}, "head").text("note", most=MAX_NOTE_BYTES).encode() for note in notes)


def _envelope(value: Any) -> dsse.Envelope:
    if not isinstance(value, dict):
        raise StatementRefused("a trust document in the passport is not an object")
    return dsse.Envelope.from_json(value, what="trust document in the passport")


def _delivery(value: Any) -> Slip | Commitment:
    return Commitment.from_json(value) if isinstance(value, dict) and "leaf" in value else Slip.from_json(value)


def _proof(size: str, value: Any) -> tuple[int, tuple[bytes, ...]]:
    if not size.isdecimal() or not size.isascii() or len(size) > 15 or not isinstance(value, list) or len(value) > 64:
        raise StatementRefused("passport: a consistency proof is malformed")
    return int(size), tuple(bytes.fromhex(Fields({"hash": h}, "consistency proof").hex("hash")) for h in value)
