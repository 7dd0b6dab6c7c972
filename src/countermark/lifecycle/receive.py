"""Receive: verify a delivery at the door, keep what is admitted, set aside what is refused.

Everything is staged in ``incoming/`` and committed by one rename, after the signed answer is in the
ledger. A crash before the rename leaves a stage that the next call finishes or clears.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from countermark import canonical, dsse
from countermark.errors import CountermarkError, Refusal, SignatureRefused, TrustRefused, Unusable
from countermark.keys.document import Party
from countermark.keys.trust import Trust
from countermark.lifecycle import book, deliveries, filed, parcel, receive_door
from countermark.lifecycle.deliveries import ANSWER, DATA, PARCEL, Received
from countermark.lifecycle.desk import Desk, read_file
from countermark.lifecycle.parcel import Parcel
from countermark.lifecycle.receive_stage import Examine, Progress, Read, nothing_more, plain, staged
from countermark.passport.slip import verify
from countermark.statement.predicates import reception
from countermark.statement.predicates.reception import Reception
from countermark.statement.statement import Statement

MOST_REASONS = 100
REFUSED_QUOTA_BYTES = 4 << 30


def receive(
    desk: Desk, folder: Path, *, examine: Examine = nothing_more, progress: Progress | None = None, read: Read | None = None
) -> Received:  # fmt: skip
    """Admit or refuse the delivery in `folder`, with its ``.cmdelivery`` file beside it.

    1. a party signed it, for this project, with a key that counts; 2. the file parses and its manifest is the signed
    one; 3. it is for this party, from a supplier, plausibly dated and next in its sequence; 4. the folder holds
    exactly the signed files; 5. every class is in scope; 6. `examine` finds no break of the contract. Steps 1 and
    2 turn a stranger away, of whom only digest and reason are kept; the others give a signed refusal that lists all
    file-level reasons.

    Receiving an admitted delivery again returns the first answer, also after its key was revoked; a refused one is
    looked at again, and answered anew only where the answer differs. What a crash left is finished first.

    Args:
        examine: (supplier, dataset, path and private bytes of each row) -> reasons to refuse.
        read: reads what was delivered, where that does not lie in `folder` (`receive_sealed`).

    Raises:
        Unusable: the workspace cannot be written, or the folder is not there. Nothing is kept then.
        TrustRefused: this party's own trust document does not hold.
    """
    trust = desk.trust()
    try:
        piece = parcel.read(folder, lambda head: _signer(desk, trust, head.envelope))
        party = _signer(desk, trust, piece.envelope)
    except Refusal as refusal:
        return _turn_away(desk, folder, refusal)
    with desk.space.lock():
        _finish(desk, trust)
        done = deliveries.answered(desk, piece.envelope.digest)
        if done and done.state == "admitted":
            return done
        stage = desk.space.folder("incoming") / piece.envelope.digest
        try:
            door = receive_door.reasons(desk, trust, piece, party)
            reasons = _shortened(door + staged(desk, read or plain(folder), piece, party, stage, examine, progress))
            if done and done.reasons == reasons:
                desk.space.disk.discard(stage)
                return done
            _answer(desk, piece, party, reasons, stage)
        except CountermarkError:
            _clear(desk, stage)
            raise
        return _commit(desk, trust, stage)


def _clear(desk: Desk, stage: Path) -> None:
    """Give back the room of a stage that came to nothing; one that bears an answer is finished next time."""
    if not (stage / ANSWER).exists():
        with contextlib.suppress(Unusable):
            desk.space.disk.discard(stage)


def _signer(desk: Desk, trust: Trust, envelope: dsse.Envelope) -> Party:
    """The party that signed, with a key that counts now, or counted when the delivery was entered here."""
    slip = filed.kept(desk, envelope)
    return verify(slip, trust, desk.now(), logged=slip.receipt is not None).party


def _turn_away(desk: Desk, folder: Path, refusal: Refusal) -> Received:
    """A delivery that no party vouches for: only its digest and the reason are kept."""
    digest = canonical.sha256_hex(read_file(parcel.beside(folder), parcel.MAX_PARCEL_BYTES))
    note = {"file": digest, "name": parcel.name(folder)[:200], "reason": refusal.what, "time": desk.stamp()}
    with desk.space.lock():
        desk.space.disk.write(desk.space.folder("refused") / f"{digest}.stranger.json", canonical.to_bytes(note))
    lines = [refusal.what, *([refusal.why] if refusal.why else [])]
    return Received("unknown signer", "refused", tuple(lines), 0)


def _shortened(reasons: list[str]) -> tuple[str, ...]:
    more = [f"and {len(reasons) - MOST_REASONS} more"] if len(reasons) > MOST_REASONS else []
    return (*reasons[:MOST_REASONS], *more)


def _answer(desk: Desk, piece: Parcel, party: Party, reasons: tuple[str, ...], stage: Path) -> None:
    """Sign the answer; its file is the last of the stage, so its presence says that the stage is whole."""
    answer = Reception(
        desk.context(party.id, piece.delivery.context.sequence),
        piece.envelope.digest,
        "refused" if reasons else "admitted",
        reasons,
        piece.delivery.rows,
    )
    statement = Statement(piece.statement.name, piece.statement.digest, reception.TYPE, answer.to_json())
    disk = desk.space.disk
    disk.write(stage / PARCEL, piece.to_bytes())
    disk.write(stage / f"from.{party.id}", b"")
    disk.write(stage / ANSWER, desk.sign(statement).to_bytes())


def _commit(desk: Desk, trust: Trust, stage: Path) -> Received:
    """Enter delivery and answer into the ledger, then rename the stage into its place."""
    envelope = dsse.Envelope.from_bytes((stage / ANSWER).read_bytes())
    book.enter(desk, trust, [deliveries.head(stage).envelope, envelope])
    state = deliveries.reception(envelope).state
    disk, refused = desk.space.disk, desk.space.folder("refused")
    disk.sweep(stage)
    if state == "refused" and _size(refused) + _size(stage) > REFUSED_QUOTA_BYTES:
        disk.discard(stage / DATA)
    disk.discard(refused / stage.name)  # an earlier try of the same delivery; this one is whole and stays
    place = desk.space.folder("deliveries" if state == "admitted" else "refused") / stage.name
    disk.move(stage, place)
    return deliveries.read(desk, place)


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def finish(desk: Desk) -> int:
    """Finish or clear what a crash left in ``incoming/``; returns how many stages were finished."""
    trust = desk.trust()
    with desk.space.lock():
        return _finish(desk, trust)


def _finish(desk: Desk, trust: Trust) -> int:
    disk, count = desk.space.disk, 0
    for name in ("incoming", "deliveries", "refused"):
        disk.sweep(desk.space.folder(name))
    book.tidy(desk)
    for stage in sorted(desk.space.folder("incoming").iterdir()):
        # Some file systems may, after a power cut, show a renamed folder under both names.
        committed = (desk.space.home / "deliveries" / stage.name / ANSWER).exists()
        if committed or not (stage / ANSWER).exists():
            disk.discard(stage)
            continue
        try:
            _commit(desk, trust, stage)
        except (SignatureRefused, TrustRefused):
            # Its signer was revoked before anything was entered or told: it is looked at anew when it comes again.
            disk.discard(stage)
            continue
        count += 1
    return count
