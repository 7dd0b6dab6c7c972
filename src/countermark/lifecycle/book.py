"""The project ledger as its operator keeps it: entering statements, and finding their slips again.

Openings are durable before the append, so that after a crash the leaf can be found again and no
statement is ever entered twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from countermark import canonical, dsse
from countermark.errors import LedgerRefused, NothingToVerify, StatementRefused, TrustRefused
from countermark.keys.ends import refuse_ended_ledger_key
from countermark.keys.trust import Trust
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.log import Log, Sign
from countermark.ledger.note import Note, NoteKey
from countermark.ledger.receipt import Receipt
from countermark.ledger.record import Opening, fresh_opening
from countermark.ledger.stores.protocol import Store
from countermark.lifecycle import entitled, filed, ledger_place, lookup
from countermark.lifecycle.desk import Desk
from countermark.passport.slip import Shown, Slip, ledger_note_key, record_for, verify
from countermark.workspace.index import Shelf

LOCK_SECONDS = 30.0
SHOWN_SIZES = "shown-sizes.json"
MOST_SIZES = 64
LEAST_DIGITS = 8


@contextlib.contextmanager
def ledger(desk: Desk, trust: Trust) -> Iterator[Log]:
    """The project's log, opened for writing by its operator.

    Raises:
        TrustRefused: this party does not operate the ledger, or its key has ended and a head would have to be signed.
    """
    operator = trust.document.ledger_operator
    if operator != desk.party:
        raise TrustRefused(
            f"{desk.party} does not keep the ledger of {trust.document.project}",
            mend=f"hand the file to {operator}, who runs `countermark ledger add FILE`",
        )
    store = ledger_place.writing(desk)
    key, sign = ledger_note_key(trust), desk.signer("ledger").sign
    if ledger_place.newest(store) is None:
        ledger_place.refuse_a_second_history(desk)
        refuse_ended_ledger_key(trust.document, desk.now())
        # Of two first writers one creates the log; the other finds it there and opens it.
        with contextlib.suppress(LedgerRefused):
            Log.create(store, key, sign, wait_s=LOCK_SECONDS).close()
    _take_over(store, trust, key, sign, desk.now())
    with Log.open(store, key, sign, wait_s=LOCK_SECONDS) as log:
        yield log


def _take_over(store: Store, trust: Trust, key: NoteKey, sign: Sign, now: datetime) -> None:
    """Sign the head anew where the owners replaced the ledger key that signed it; the history stays as it is.

    Raises:
        LedgerRefused: the replaced key signed more entries than the owners believe of it. TrustRefused: the new one has ended.
    """
    names = {(s.name, s.key_id) for s in Note.from_bytes(ledger_place.newest(store) or b"").signatures}
    if (key.name, key.id) in names:
        return
    for former in trust.former_ledger_keys():
        old = NoteKey(key.name, former.key.raw())
        if former.revoked and (old.name, old.id) in names:
            refuse_ended_ledger_key(trust.document, now)
            Log.take_over(store, (old, key), sign, most=former.revoked.from_leaf, wait_s=LOCK_SECONDS)


def enter(desk: Desk, trust: Trust, envelopes: Sequence[dsse.Envelope]) -> list[Slip]:
    """Enter statements into the ledger; those entered before keep their receipt.

    Raises:
        SignatureRefused, TrustRefused, StatementRefused: a statement does not hold, its signer may not say it, or another
            party entered the same words before; nothing is entered then.
        LedgerRefused, Unusable: the ledger cannot be written.
    """
    with desk.space.lock():
        waiting = [e for e in envelopes if not _whole(desk, e.digest)]
        _refuse_second_entries(desk, [e.digest for e in waiting])
        for envelope in envelopes:
            _refuse_copied(desk, trust, envelope)
        shown = [entitled.counts(verify(Slip(e), trust, desk.now(), logged=False)) for e in waiting]
        said: dict[str, str] = {}
        for one in shown:
            _refuse_other(said.setdefault(one.digest, one.party.id), one.party.id)
        tried = {s.digest for s in shown if filed.path(desk, s.digest, "opening").exists()}
        openings = {s.digest: _opening(desk, s) for s in shown}
        if openings:
            refuse_ended_ledger_key(trust.document, desk.now())
            with ledger(desk, trust) as log:
                before = head_of(log.checkpoint)
                _append(desk, log, openings, tried)
                after = head_of(log.checkpoint)
            lookup.record(desk, before, after, [filed.slip(desk, digest) for digest in openings])
        return [filed.slip(desk, e.digest) for e in envelopes]


def _refuse_copied(desk: Desk, trust: Trust, envelope: dsse.Envelope) -> None:
    """A statement is known by its words: who signs another's words must not pass for the one who said them.

    Raises:
        StatementRefused: another party's envelope over the same payload is here.
    """
    path = filed.path(desk, envelope.digest, "json")
    if not path.exists() or (here := path.read_bytes()) == envelope.to_bytes():
        return
    mine, first = (verify(Slip(e), trust, desk.now(), logged=False).party.id
                   for e in (envelope, dsse.Envelope.from_bytes(here)))  # fmt: skip
    _refuse_other(first, mine)


def _refuse_other(first: str, mine: str) -> None:
    if mine != first:
        raise StatementRefused(
            f"{first} entered the same words before {mine}", why="a statement is known by the digest of its words",
            mend=f"{mine} signs it again: its time makes it another statement",
        )  # fmt: skip


def _whole(desk: Desk, digest: str) -> bool:
    return all(filed.path(desk, digest, suffix).exists() for suffix in ("json", "opening", "tlog-proof"))


def _refuse_second_entries(desk: Desk, digests: Sequence[str]) -> None:
    """A statement has one entry: one whose opening was lost is not entered a second time.

    Raises:
        LedgerRefused: its receipt, or the index, tells of an entry that it has already.
    """
    lost = [d for d in digests if not filed.path(desk, d, "opening").exists()]
    before = lookup.entered_before(desk, lost)
    for digest in lost:
        if digest in before or filed.path(desk, digest, "tlog-proof").exists():
            raise LedgerRefused(
                f"statement {digest[:16]} was entered before, and what opens its leaf, its opening, is lost",
                why="a second entry of the same statement could outlive the revocation of the first",
                mend="`countermark ledger rebuild-index --from FILE` with a slip, answer or passport that carries it",
            )


def _append(desk: Desk, log: Log, openings: dict[str, Opening], tried: Collection[str]) -> None:
    """Append what the ledger does not have already, and keep the receipts.

    Args:
        tried: statements whose opening was here before, after a crash or a loss; their leaf may be in the ledger.
    """
    leaves = {d: openings[d].leaf() for d in tried}
    known = {d: index for d, leaf in leaves.items() if (index := log.reader.find(leaf)) is not None}
    fresh = {d: o.leaf() for d, o in openings.items() if d not in known}
    for digest in fresh:
        desk.space.disk.write(filed.path(desk, digest, "entering"), b"")
    receipts: dict[str, Receipt] = dict(zip(fresh, log.append(list(fresh.values())), strict=True))
    receipts |= {d: log.reader.receipt(index) for d, index in known.items()}
    for digest, receipt in receipts.items():
        desk.space.disk.write(filed.path(desk, digest, "tlog-proof"), receipt.to_bytes())
        desk.space.disk.unlink(filed.path(desk, digest, "entering"))


def tidy(desk: Desk) -> None:
    """Remove what a crash left among the statements; the caller holds the workspace's lock."""
    folder = desk.space.folder("statements")
    desk.space.disk.sweep(folder)
    for marker in folder.glob("*.entering"):
        if marker.with_suffix(".tlog-proof").exists():
            desk.space.disk.unlink(marker)


def _opening(desk: Desk, shown: Shown) -> Opening:
    """Keep the envelope, and its opening made once."""
    path, words = filed.path(desk, shown.digest, "opening"), filed.path(desk, shown.digest, "json")
    if not words.exists():
        desk.space.disk.write(words, shown.slip.envelope.to_bytes())
    if path.exists():
        return Opening.from_bytes(path.read_bytes())
    opening = fresh_opening(record_for(shown.slip.envelope, shown.statement, shown.party.id))
    desk.space.disk.write(path, opening.to_bytes())
    return opening


def entered(desk: Desk, *predicate_types: str, about: str | None = None) -> list[Slip]:
    """Slips of all statements entered here, of these types, in ledger order.

    Args:
        about: tree digest; only statements about it.

    Raises:
        LedgerRefused: the index was changed by others, or a file is not here that was. Unusable: its server cannot be reached.
    """
    rows = lookup.rows(desk, *map(Shelf.of_type, predicate_types))
    return [filed.read(desk, row) for row in rows if about in (None, row.subject)]


def every(desk: Desk, start: int = 0) -> list[Slip]:
    """Slips of all statements entered here, from an entry on, in ledger order.

    Raises:
        As `entered`.
    """
    return [filed.read(desk, row) for row in lookup.every(desk, start)]


def find(desk: Desk, which: str) -> Slip:
    """The one statement entered here that `which` names: its entry, or 8 or more first digits of its digest.

    Raises:
        NothingToVerify: none or several answer to it. Others as `entered`.
    """
    by_number = which.isascii() and which.isdecimal() and len(which) < LEAST_DIGITS
    shelf = Shelf.of_entry(int(which)) if by_number else Shelf.of_digest(which)
    rows = lookup.rows(desk, shelf)
    hit = [row for row in rows if (str(row.entry) == which if by_number else row.statement.startswith(which))]
    if len(hit) != 1 or (len(which) < LEAST_DIGITS and not by_number):
        raise NothingToVerify(f"{len(hit)} statements here answer to {which:.80}", mend="`countermark ledger show`")
    return filed.read(desk, hit[0])


def head_of(checkpoint: Checkpoint) -> filed.Head:
    """Size and root, as the index keeps them."""
    return checkpoint.size, checkpoint.root.hex()


def refreshed(desk: Desk, trust: Trust, slips: Sequence[Slip]) -> tuple[list[Slip], Checkpoint]:
    """The same slips with receipts against the newest checkpoint, so that one checkpoint serves them all."""
    with ledger(desk, trust) as log:
        checkpoint = log.checkpoint
        indices = [Receipt.from_bytes(s.receipt or b"").index for s in slips]
        renewed = [
            Slip(s.envelope, s.opening, log.reader.receipt(i, checkpoint).to_bytes())
            for s, i in zip(slips, indices, strict=True)
        ]
    return renewed, checkpoint


def show_head(desk: Desk, trust: Trust) -> Checkpoint:
    """The newest head, which somebody will carry away: later passports prove that they extend it."""
    with desk.space.lock(), ledger(desk, trust) as log:
        shown_sizes(desk, log.checkpoint.size)
        return log.checkpoint


def shown_sizes(desk: Desk, newest: int, since: Sequence[int] = ()) -> list[int]:
    """Ledger sizes before `newest` that were shown to others, `since` included; from now on `newest` is one of them."""
    path = desk.space.home / SHOWN_SIZES
    before: list[Any] = canonical.from_bytes(path.read_bytes()) if path.exists() else []
    sizes = sorted({s for s in (*before, *since) if isinstance(s, int) and 0 < s < newest})[-MOST_SIZES:]
    desk.space.disk.write(path, canonical.to_bytes([*sizes, newest]))
    return sizes


def consistency(desk: Desk, trust: Trust, sizes: Sequence[int]) -> dict[int, tuple[bytes, ...]]:
    """Proofs that the newest head extends each of the earlier ledger sizes."""
    with ledger(desk, trust) as log:
        return {size: tuple(log.reader.consistency(size, log.checkpoint)) for size in sizes}
