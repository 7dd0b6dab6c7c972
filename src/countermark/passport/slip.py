"""A slip: one signed statement with its opening and its ledger receipt, verifiable without the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import LedgerRefused, StatementRefused, TrustRefused
from countermark.keys.document import Party
from countermark.keys.trust import Trust
from countermark.ledger.checkpoint import Checkpoint, claimed_size
from countermark.ledger.note import Note, NoteKey
from countermark.ledger.receipt import Receipt
from countermark.ledger.receipt import verify as verify_receipt
from countermark.ledger.record import Opening, Record, open_leaf
from countermark.passport.times import NONE, Times, quorum_time, words
from countermark.statement.statement import EVERYBODY, Context, Statement


@dataclass(frozen=True, slots=True)
class Slip:
    """A statement as it travels between parties; nothing here is verified yet.

    Attributes:
        envelope: the signed statement. opening: what its ledger leaf says.
        receipt: bytes of the tlog-proof file. The last two are None before it was logged.
    """

    envelope: dsse.Envelope
    opening: Opening | None = None
    receipt: bytes | None = None

    def index(self) -> int:
        """Ledger entry that the receipt claims; to be believed only from `Shown`.

        Raises:
            LedgerRefused: there is no receipt, or it is malformed.
        """
        return Receipt.from_bytes(self.receipt or b"").index

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "envelope": json.loads(self.envelope.to_bytes()),
            "opening": json.loads(self.opening.to_bytes()) if self.opening is not None else None,
            "receipt": self.receipt.decode() if self.receipt is not None else None,
        }

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes(self.to_json())

    @classmethod
    def from_json(cls, value: Any, *, what: str = "slip") -> Slip:
        """Parse strictly.

        Raises:
            StatementRefused, LedgerRefused: malformed.
        """
        fields = Fields(value, what)
        opening, receipt = fields.optional("opening"), fields.optional("receipt")
        if receipt is not None and not isinstance(receipt, str):
            raise StatementRefused(f"{what}: the receipt is not text")
        out = cls(
            dsse.Envelope.from_json(fields.object("envelope"), what=what),
            Opening.from_json(opening) if opening is not None else None,
            receipt.encode() if receipt is not None else None,
        )
        fields.done()
        return out

    @classmethod
    def from_bytes(cls, data: bytes, *, what: str = "slip") -> Slip:
        """Parse a slip, or a bare envelope that was not logged.

        Raises:
            StatementRefused, LedgerRefused: malformed.
        """
        value = canonical.object_from_bytes(data, what=what)
        if "payloadType" in value:
            return cls(dsse.Envelope.from_bytes(data, what=what))
        return cls.from_json(value, what=what)


@dataclass(frozen=True, slots=True)
class Shown:
    """A handle to a statement whose signature, project and (where it has one) receipt hold.

    Attributes:
        by: when a quorum had seen its entry; None where that is not shown.
    """

    slip: Slip
    statement: Statement
    context: Context
    party: Party
    index: int | None
    checkpoint: Checkpoint | None
    by: datetime | None = None

    @property
    def when(self) -> str:
        """``witnessed by TIME`` where a quorum saw it by then, else ``claimed TIME``."""
        return words(self.by, self.context.time)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the signed payload."""
        return self.slip.envelope.digest


ContextOf = Callable[[Statement], Context]


def context_of(statement: Statement) -> Context:
    """The context of any statement of ours, SLSA-shaped ones included."""
    predicate = statement.predicate
    return Context.from_json(predicate.get("context", predicate.get("countermark_context")))


def ledger_note_key(trust: Trust) -> NoteKey:
    """The key that checkpoints of the project's ledger must be signed with.

    Raises:
        TrustRefused, SignatureRefused: the trust document names none, or it is not Ed25519.
    """
    return NoteKey(trust.document.ledger_origin, trust.ledger_key().raw())


def key_of_note(trust: Trust, checkpoint: bytes) -> NoteKey:
    """The ledger key that a head must be signed with: today's, or one that was replaced after that head.

    Raises:
        LedgerRefused: the note is malformed. TrustRefused, SignatureRefused: the trust document names no ledger key.
    """
    key = ledger_note_key(trust)
    names = {(s.name, s.key_id) for s in Note.from_bytes(checkpoint).signatures}
    for former in trust.former_ledger_keys():
        old = NoteKey(key.name, former.key.raw())
        within = former.revoked is not None and claimed_size(checkpoint) <= former.revoked.from_leaf
        if within and (old.name, old.id) in names and (key.name, key.id) not in names:
            return old
    return key


def record_for(envelope: dsse.Envelope, statement: Statement, signer: str) -> Record:
    """The ledger record that belongs to a signed statement."""
    context = context_of(statement)
    return Record(statement.predicate_type, envelope.digest, statement.digest, signer, context.sequence)


def verify(slip: Slip, trust: Trust, now: datetime, *, logged: bool = True, times: Times = NONE) -> Shown:
    """Verify one slip.

    1. the receipt shows a leaf in the project's ledger; 2. a party of the project signed with a statement
    key that counts at that leaf; 3. the leaf opens to this very statement; 4. it is of this project.
    Roles, freshness and meaning are the caller's.

    Args:
        logged: whether a receipt is needed; drafts that are about to be logged have none.
        times: earlier heads that a quorum cosigned, for when it was seen; the receipt's own head counts anyway.

    Raises:
        LedgerRefused, SignatureRefused, TrustRefused, StatementRefused: a step fails.
    """
    if logged and (slip.opening is None or slip.receipt is None):
        raise LedgerRefused("a statement has no ledger receipt", mend="ask the ledger's operator for the slip")
    proven = (
        verify_receipt(
            slip.opening.leaf(), slip.receipt, key_of_note(trust, Receipt.from_bytes(slip.receipt).checkpoint)
        )
        if slip.opening is not None and slip.receipt is not None
        else None
    )
    statement = Statement.from_bytes(slip.envelope.statement_bytes())
    context = context_of(statement)
    signed = trust.verify(slip.envelope, "statement", now, leaf=proven.index if proven else None)
    if proven is not None and slip.opening is not None:
        record = open_leaf(proven.leaf, slip.opening)
        if record != record_for(slip.envelope, statement, signed.party.id):
            raise LedgerRefused("the ledger entry is about another statement", why=f"entry names {record.envelope}")
    if context.project != trust.fingerprint:
        raise TrustRefused("a statement belongs to another project", why=f"it names {context.project[:16]}")
    if proven is None:
        return Shown(slip, statement, context, signed.party, None, None)
    seen = (times.by(proven.index), quorum_time(proven.checkpoint, trust, now))
    by = min((time for time in seen if time), default=None)
    return Shown(slip, statement, context, signed.party, proven.index, proven.checkpoint, by)


def in_time(shown: Shown, trust: Trust, now: datetime) -> Shown:
    """The statement, where its signer's key had not ended when a quorum saw it; asked of what admits something.

    Where the trust document names no quorum nobody can tell, and a receipt is enough.

    Raises:
        TrustRefused: the key has ended, and that it was used before is not shown.
    """
    trust.outlived(shown.slip.envelope, "statement", now, shown.by)
    return shown


def addressed_to(shown: Shown, party: str) -> Shown:
    """The statement must be meant for `party`, or for everybody.

    Raises:
        TrustRefused: it was made for somebody else.
    """
    if shown.context.addressee not in (party, EVERYBODY):
        raise TrustRefused(
            f"this statement is addressed to {shown.context.addressee}, not to {party}",
            mend="the signer makes one for you",
        )
    return shown
