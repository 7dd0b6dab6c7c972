"""Receive: verify a delivery at the door, keep what is admitted, set aside what is refused.

Everything is staged in ``incoming/`` and committed by one rename, after the signed answer is in the
ledger. A crash before the rename leaves a stage that the next call finishes or clears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from countermark import canonical, dsse
from countermark.artefact.dataset import METADATA, Dataset, describe
from countermark.artefact.folder import read_folder
from countermark.artefact.tree import Tree, TreeEntry, compare
from countermark.errors import Refusal, SignatureRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys.trust import Party, Trust, moment
from countermark.lifecycle import book, parcel
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.parcel import Parcel
from countermark.passport.slip import Slip, addressed_to, verify
from countermark.statement.predicates import reception
from countermark.statement.predicates.reception import Reception
from countermark.statement.statement import Statement

Progress = Callable[[int, int], None]
Examine = Callable[[str, Dataset, "Path"], Sequence[str]]
CLOCK_SKEW = timedelta(minutes=10)
MOST_REASONS = 100
REFUSED_QUOTA_BYTES = 4 << 30
PARCEL, DATA, ANSWER = "parcel.cmdelivery", "data", "answer.json"


@dataclass(frozen=True, slots=True)
class Received:
    """The answer to a delivery.

    Attributes:
        parcel: what was delivered. answer: slip of the signed reception; None for a stranger's delivery.
        state: "admitted" or "refused". reasons: file-level, empty when admitted.
        folder: where admitted or refused data lie in the workspace; None for a stranger's.
    """

    supplier: str
    state: str
    reasons: tuple[str, ...]
    rows: int
    parcel: Parcel | None = None
    answer: Slip | None = None
    folder: Path | None = None


def nothing_more(_supplier: str, _dataset: Dataset, _folder: Path) -> Sequence[str]:
    """The examination of a receiver without a contract: no further reasons."""
    return ()


def receive(desk: Desk, folder: Path, *, examine: Examine = nothing_more, progress: Progress | None = None) -> Received:
    """Admit or refuse the delivery in `folder`, with its ``.cmdelivery`` file beside it.

    1. the file parses and its manifest is the signed one; 2. a party signed it whose key counts now; 3. it is of
    this project, for this party, and next in its sequence; 4. every class is in scope; 5. the folder holds
    exactly the signed files; 6. `examine` finds no break of the contract. Steps 1 and 2 refuse a stranger, of
    whom only digest and reason are kept; the others give a signed refusal that lists all file-level reasons.

    Receiving the same delivery again returns the first answer.

    Args:
        examine: (supplier, dataset, private copy of the folder) -> reasons to refuse.

    Raises:
        Unusable: the workspace cannot be written, or the folder is not there.
        TrustRefused: this party's own trust document does not hold.
    """
    trust = desk.trust()
    try:
        piece = parcel.read(folder)
        party = desk.verify(trust, piece.envelope).party
        _in_project(desk, trust, piece, party)
    except (SignatureRefused, StatementRefused, TrustRefused, Refusal) as refusal:
        return _turn_away(desk, folder, refusal)
    with desk.space.lock():
        done = _answered(desk, piece, party)
        if done and done.state == "admitted":
            return done
        stage = desk.space.folder("incoming") / piece.envelope.digest
        if not (stage / ANSWER).exists():
            desk.space.disk.discard(stage)
            reasons = _stage(desk, folder, piece, party, stage, examine, progress)
            _answer(desk, piece, party, reasons, stage)
        return _commit(desk, trust, piece, party, stage)


def _in_project(desk: Desk, trust: Trust, piece: Parcel, party: Party) -> None:
    """Who may deliver, to whom, in this project, and with which clock."""
    shown = addressed_to(verify(Slip(piece.envelope), trust, desk.now(), logged=False), desk.party)
    if not {"supplier", "data-owner"} & set(party.roles):
        raise TrustRefused(f"{party.id} may not deliver: it is no supplier", mend="the owners can add the role")
    claimed = moment(shown.context.time)
    if claimed > desk.now() + CLOCK_SKEW:
        raise TrustRefused(
            f"the delivery is dated {shown.context.time}, in the future",
            mend=f"{party.id} sets its clock and signs again",
        )
    if claimed < moment(trust.document.issued) - CLOCK_SKEW and trust.document.version == 1:
        raise TrustRefused(
            f"the delivery is dated {shown.context.time}, before the project began",
            mend=f"{party.id} sets its clock and signs again",
        )


def _turn_away(desk: Desk, folder: Path, refusal: Refusal) -> Received:
    """A delivery that no party vouches for: only its digest and the reason are kept."""
    path = parcel.beside(folder)
    digest = canonical.sha256_hex(path.read_bytes()) if path.is_file() else "0" * 64
    note = {"file": digest, "name": folder.name[:200], "reason": refusal.what, "time": desk.stamp()}
    desk.space.disk.write(desk.space.folder("refused") / f"{digest}.stranger.json", canonical.to_bytes(note))
    lines = [refusal.what, *([refusal.why] if refusal.why else [])]
    return Received("unknown signer", "refused", tuple(lines), 0)


def _sequence_reasons(desk: Desk, piece: Parcel, party: Party) -> list[str]:
    """A delivery is the next of its supplier's, or a new try of the newest."""
    context = piece.delivery.context
    earlier = [p for p in _known(desk, party) if p.envelope.digest != piece.envelope.digest]
    newest = max(earlier, key=lambda p: p.delivery.context.sequence, default=None)
    expected = newest.delivery.context.sequence + 1 if newest else 1
    if context.sequence < expected:
        return [f"delivery {context.sequence} of {party.id} comes after delivery {expected - 1}: an old one replayed"]
    if context.sequence > expected or (newest and context.previous != newest.envelope.digest):
        return [f"delivery {context.sequence} of {party.id} does not follow the last one received ({expected - 1})"]
    return []


def _known(desk: Desk, party: Party) -> list[Parcel]:
    """All parcels of a party that were answered here."""
    out = []
    for place in ("deliveries", "refused"):
        for file in (desk.space.home / place).glob(f"*/{PARCEL}"):
            if (file.parent / f"from.{party.id}").exists():
                out.append(parcel.parse(file.read_bytes(), what=file.parent.name))
    return out


def _stage(
    desk: Desk, folder: Path, piece: Parcel, party: Party, stage: Path, examine: Examine, progress: Progress | None
) -> list[str]:
    """Copy what was delivered into private files, hashing the copies, and collect every reason to refuse."""
    disk, data = desk.space.disk, stage / DATA
    disk.folder(data)
    made = {data}
    metadata: dict[str, bytes] = {}

    def keep(entry: TreeEntry, content: bytes) -> None:
        target = data / entry.path
        if target.parent not in made:
            disk.folder(target.parent)
            made.update(p for p in target.parents if data in p.parents)
        disk.add(target, content)
        if entry.path in METADATA:
            metadata[entry.path] = content

    try:
        seen = read_folder(folder, sink=keep, progress=progress)
    except Refusal as refusal:
        return [refusal.what]
    finally:
        disk.settle(made)
    reasons = _sequence_reasons(desk, piece, party) + [str(d) for d in compare(piece.tree, seen)]
    return reasons or _content_reasons(piece, party, seen, metadata, examine, data)


def _content_reasons(
    piece: Parcel, party: Party, seen: Tree, metadata: dict[str, bytes], examine: Examine, data: Path
) -> list[str]:
    try:
        dataset = describe(seen, metadata.__getitem__)
    except Refusal as refusal:
        return [refusal.what]
    if dataset.classes() != piece.delivery.classes:
        return ["the classes in the folder are not those of the signed statement"]
    outside = [
        f"class {label} is outside the scope of {party.id}" for label in dataset.classes() if not party.covers(label)
    ]
    return outside or list(examine(party.id, dataset, data))


def _answer(desk: Desk, piece: Parcel, party: Party, reasons: list[str], stage: Path) -> None:
    """Sign the answer; its file is the last of the stage, so its presence says that the stage is whole."""
    short = [
        *reasons[:MOST_REASONS],
        *([f"and {len(reasons) - MOST_REASONS} more"] if len(reasons) > MOST_REASONS else []),
    ]
    answer = Reception(
        desk.context(party.id, piece.delivery.context.sequence),
        piece.envelope.digest,
        "refused" if reasons else "admitted",
        tuple(short),
        piece.delivery.rows,
    )
    statement = Statement(piece.statement.name, piece.statement.digest, reception.TYPE, answer.to_json())
    disk = desk.space.disk
    disk.write(stage / PARCEL, piece.to_bytes())
    disk.write(stage / f"from.{party.id}", b"")
    disk.write(stage / ANSWER, desk.sign(statement).to_bytes())


def _commit(desk: Desk, trust: Trust, piece: Parcel, party: Party, stage: Path) -> Received:
    """Enter delivery and answer into the ledger, then rename the stage into its place."""
    envelope = dsse.Envelope.from_bytes((stage / ANSWER).read_bytes())
    book.enter(desk, trust, [piece.envelope, envelope])
    answer = _reception(envelope)
    place = desk.space.folder("deliveries" if answer.state == "admitted" else "refused") / piece.envelope.digest
    desk.space.disk.discard(place)
    if answer.state == "refused" and _size(desk.space.home / "refused") > REFUSED_QUOTA_BYTES:
        desk.space.disk.discard(stage / DATA)
    desk.space.disk.move(stage, place)
    if answer.state == "admitted":  # an earlier try of the same delivery may have been refused
        desk.space.disk.discard(desk.space.home / "refused" / piece.envelope.digest)
    return _received(desk, piece, party, place)


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def _reception(envelope: dsse.Envelope) -> Reception:
    return Reception.from_json(Statement.from_bytes(envelope.payload, what="answer").predicate)


def _answered(desk: Desk, piece: Parcel, party: Party) -> Received | None:
    for place in ("deliveries", "refused"):
        folder = desk.space.home / place / piece.envelope.digest
        if (folder / ANSWER).exists():
            return _received(desk, piece, party, folder)
    return None


def _received(desk: Desk, piece: Parcel, party: Party, folder: Path) -> Received:
    envelope = dsse.Envelope.from_bytes((folder / ANSWER).read_bytes())
    answer = _reception(envelope)
    slip = book.slip(desk, envelope.digest)
    return Received(party.id, answer.state, answer.reasons, answer.rows, piece, slip, folder)


def received(desk: Desk) -> list[Received]:
    """Every delivery that was answered here, by supplier and sequence; strangers first."""
    out = [_stranger(p) for p in sorted((desk.space.home / "refused").glob("*.stranger.json"))]
    answered = []
    for place in ("deliveries", "refused"):
        for file in (desk.space.home / place).glob(f"*/{PARCEL}"):
            piece = parcel.parse(file.read_bytes(), what=file.parent.name)
            supplier = next(file.parent.glob("from.*")).name.removeprefix("from.")
            envelope = dsse.Envelope.from_bytes((file.parent / ANSWER).read_bytes())
            answer = _reception(envelope)
            answered.append(
                Received(
                    supplier,
                    answer.state,
                    answer.reasons,
                    answer.rows,
                    piece,
                    book.slip(desk, envelope.digest),
                    file.parent,
                )
            )
    return out + sorted(answered, key=lambda r: (r.supplier, r.parcel.delivery.context.sequence if r.parcel else 0))


def _stranger(path: Path) -> Received:
    note = canonical.object_from_bytes(path.read_bytes(), what=path.name)
    return Received("unknown signer", "refused", (str(note.get("reason")),), 0)


def finish(desk: Desk) -> int:
    """Finish or clear what a crash left in ``incoming/``; returns how many stages were finished."""
    trust, count = desk.trust(), 0
    with desk.space.lock():
        for stage in sorted(desk.space.folder("incoming").iterdir()):
            if not (stage / ANSWER).exists():
                desk.space.disk.discard(stage)
                continue
            piece = parcel.parse((stage / PARCEL).read_bytes(), what=stage.name)
            _commit(desk, trust, piece, desk.verify(trust, piece.envelope).party, stage)
            count += 1
    return count


def admitted_trees(desk: Desk) -> dict[str, Received]:
    """Admitted deliveries by payload digest.

    Raises:
        Unusable: there are none.
    """
    out = {r.parcel.envelope.digest: r for r in received(desk) if r.state == "admitted" and r.parcel}
    if not out:
        raise Unusable("no delivery was admitted yet", mend="`countermark receive DIR`")
    return out
