"""The passport file (``.cmpass``): everything a verdict needs, in one file, for a party with no workspace.

For a licensee whatever tells of suppliers is an opaque commitment: a leaf and its receipt show that it is in the
ledger, and nothing else. For an auditor it is opened. The file is JSON, deflated; format 1 was the plain JSON.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from countermark import canonical, dsse
from countermark.artefact.tree import Tree, TreeEntry, tree_of
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.passport.slip import Slip

FORMAT = 2
PLAIN_FORMAT = 1
SUFFIX = ".cmpass"
HEADER = b"countermark passport 2\n"
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
        statements: slips of the statements that every reader is shown.
        commitments: the others that the verdict rests on, the admitted deliveries among them: slips for an auditor, or
            commitments for a licensee.
        consistency: earlier ledger size -> proof that the ledger only grew since.
        evidence: what policy judged; only for an auditor, because it names suppliers.
        heads: earlier ledger heads that the quorum cosigned; `consistency` shows that the ledger extends each.
    """

    trust: tuple[dsse.Envelope, ...]
    policy: bytes
    model: Tree
    verdict: Slip
    statements: tuple[Slip, ...]
    commitments: tuple[Slip | Commitment, ...]
    consistency: dict[int, tuple[bytes, ...]]
    evidence: dict[str, Any] | None = None
    heads: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """The file."""
        return packed(self.to_json_bytes())

    def to_json_bytes(self) -> bytes:
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
                "commitments": [c.to_json() for c in self.commitments],
                "consistency": {str(size): [h.hex() for h in proof] for size, proof in self.consistency.items()},
                "evidence": self.evidence,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Passport:
        """Parse strictly; the plain JSON of format 1, or of this one, is read too.

        Raises:
            StatementRefused, TreeRefused, LedgerRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(unpacked(data), what="passport", max_bytes=MAX_BYTES), "passport")
        number = fields.integer("format")
        if number not in (PLAIN_FORMAT, FORMAT):
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
            commitments=tuple(
                _withheld(c) for c in _bounded(fields, "deliveries" if number == PLAIN_FORMAT else "commitments")
            ),
            consistency=dict(_proof(s, p) for s, p in fields.object("consistency").items()),
            evidence=evidence,
            heads=_heads(fields),
        )
        fields.done()
        return out

    def slips(self) -> Sequence[Slip]:
        """Every slip in the passport, the verdict last."""
        return [*self.opened(), *self.statements, self.verdict]

    def opened(self) -> list[Slip]:
        """Slips among the commitments: all of them for an auditor, none for a licensee."""
        return [c for c in self.commitments if isinstance(c, Slip)]


def packed(text: bytes) -> bytes:
    """The file that holds this JSON."""
    return HEADER + zlib.compress(text, 9)


def unpacked(data: bytes) -> bytes:
    """The JSON in a file, at most `MAX_BYTES` whatever it claims; a file without the header is taken to be plain.

    Raises:
        StatementRefused: the deflated stream is damaged, cut short, followed by other bytes, or holds more.
    """
    if not data.startswith(HEADER):
        return data
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(memoryview(data)[len(HEADER) :], MAX_BYTES + 1)
    except zlib.error as error:
        raise StatementRefused("passport: the deflated stream is damaged", why=str(error)) from error
    if len(text) > MAX_BYTES:
        raise StatementRefused(f"passport inflates to more than {MAX_BYTES} bytes")
    if not stream.eof or stream.unused_data:
        raise StatementRefused("passport: the deflated stream is cut short, or other bytes follow it")
    return text


def leaves(slips: Iterable[Slip]) -> dict[str, str]:
    """Payload digest to ledger leaf, both hex: by its leaf a statement is told to those who may not know its digest.

    Digests are of guessable words: whoever has a delivery could look for it in everybody's papers.
    """
    return {s.envelope.digest: leaf(s).hex() for s in slips if s.opening}


def leaf(withheld: Slip | Commitment) -> bytes:
    """The ledger leaf of what a licensee is not shown."""
    if isinstance(withheld, Commitment):
        return withheld.leaf
    return withheld.opening.leaf() if withheld.opening else b""


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


def _withheld(value: Any) -> Slip | Commitment:
    return Commitment.from_json(value) if isinstance(value, dict) and "leaf" in value else Slip.from_json(value)


def _proof(size: str, value: Any) -> tuple[int, tuple[bytes, ...]]:
    if not size.isdecimal() or not size.isascii() or len(size) > 15 or not isinstance(value, list) or len(value) > 64:
        raise StatementRefused("passport: a consistency proof is malformed")
    return int(size), tuple(bytes.fromhex(Fields({"hash": h}, "consistency proof").hex("hash")) for h in value)
