"""Statements as the ledger's keeper files them: one file each for the signed words, for what opens the leaf, and for the receipt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from countermark import dsse
from countermark.errors import LedgerRefused, NothingToVerify
from countermark.ledger.checkpoint import claimed_head
from countermark.ledger.receipt import Receipt
from countermark.ledger.record import Opening
from countermark.lifecycle import ledger_place
from countermark.lifecycle.desk import Desk
from countermark.passport.slip import Slip, context_of
from countermark.statement.statement import Statement
from countermark.workspace.index import Row

RECEIPT = ".tlog-proof"
Head = tuple[int, str]
"""Size and root (hex) of a ledger."""


def path(desk: Desk, digest: str, suffix: str) -> Path:
    """Where one file of a statement lies."""
    return desk.space.home / "statements" / f"{digest}.{suffix}"


def slip(desk: Desk, digest: str) -> Slip:
    """The slip of a statement that was entered.

    Raises:
        NothingToVerify: it is not here.
    """
    try:
        envelope = dsse.Envelope.from_bytes(path(desk, digest, "json").read_bytes())
        opening = Opening.from_bytes(path(desk, digest, "opening").read_bytes())
        receipt = path(desk, digest, "tlog-proof").read_bytes()
    except FileNotFoundError as error:
        if path(desk, digest, "tlog-proof").exists():
            raise NothingToVerify(
                f"statement {digest[:16]} was entered here, and is not whole any more",
                why=f"{error.filename and Path(error.filename).name} is lost",
                mend="`countermark ledger rebuild-index` restores it, or tells from whom to get it",
            ) from error
        raise NothingToVerify(f"statement {digest[:16]} was not entered here") from error
    return Slip(envelope, opening, receipt)


def kept(desk: Desk, envelope: dsse.Envelope) -> Slip:
    """The envelope as a slip, with opening and receipt where it was entered here."""
    try:
        known = slip(desk, envelope.digest)
    except NothingToVerify:
        return Slip(envelope)
    return Slip(envelope, known.opening, known.receipt)


def head(desk: Desk) -> Head | None:
    """Size and root of the head of the ledger that is kept here, as its file says; None where none is.

    Raises:
        LedgerRefused: it is no checkpoint. Unusable: it cannot be read.
    """
    note = ledger_place.newest(ledger_place.reading(desk))
    return claimed_head(note) if note is not None else None


def digests(desk: Desk) -> Iterator[str]:
    """Digests of all statements that have a receipt here, as their files are named; in no order."""
    for file in (desk.space.home / "statements").glob(f"*{RECEIPT}"):
        yield file.stem


def row_of(one: Slip, digest: str) -> Row:
    """What the index is to know of a statement that is filed under a digest.

    Raises:
        StatementRefused, LedgerRefused: it is malformed, or another statement than its file's name says.
    """
    said = Statement.from_bytes(one.envelope.payload)
    if one.envelope.digest != digest:
        raise LedgerRefused(
            f"statements/{digest}.json is another statement than its name says", why=one.envelope.digest
        )
    signer = one.opening.record.signer if one.opening else ""
    entry = Receipt.from_bytes(one.receipt or b"").index
    return Row(entry, digest, said.predicate_type, signer, said.digest, context_of(said).time)


def read(desk: Desk, row: Row) -> Slip:
    """The statement that a row of the index points to, read from its own files.

    Raises:
        LedgerRefused: it is not here, or the row says something else than it does.
    """
    try:
        out = slip(desk, row.statement)
    except NothingToVerify as error:
        raise LedgerRefused(
            f"statement {row.statement[:16]} was entered as entry {row.entry}, and its files are not here",
            why="what it says, a withdrawal perhaps, would count for nothing",
            mend="`countermark ledger rebuild-index` restores it, or tells from whom to get it",
        ) from error
    if row_of(out, row.statement) != row:
        raise LedgerRefused(
            f"the index says something else of statement {row.statement[:16]} than it does itself",
            mend="`countermark ledger rebuild-index`",
        )
    return out
