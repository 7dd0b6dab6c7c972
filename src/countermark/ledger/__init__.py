"""The ledger: an append-only tile log (C2SP tlog-tiles) of commitments, with receipts that verify offline."""

from countermark.ledger.audit import Audited, audit
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import Proven, Receipt, verify
from countermark.ledger.record import Opening, Record, commit, fresh_opening, open_leaf

__all__ = [
    "Audited",
    "Checkpoint",
    "Log",
    "LogReader",
    "NoteKey",
    "Opening",
    "Proven",
    "Receipt",
    "Record",
    "audit",
    "commit",
    "fresh_opening",
    "open_leaf",
    "verify",
    "verify_checkpoint",
    "verify_consistency",
]
