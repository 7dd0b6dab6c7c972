"""Receive: verify a delivery at the door, keep what is admitted, set aside what is refused.

Everything is staged in ``incoming/`` and committed by one rename, after the signed answer is in the
ledger. A crash before the rename leaves a stage that the next call finishes or clears.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from countermark import canonical, dsse
from countermark.artefact import shards
from countermark.artefact.dataset import METADATA, Dataset, describe
from countermark.artefact.folder import read_folder
from countermark.artefact.tree import Tree, TreeEntry, compare
from countermark.errors import CountermarkError, Refusal, SignatureRefused, TreeRefused, TrustRefused, Unusable
from countermark.keys.document import Party
from countermark.keys.trust import Trust
from countermark.lifecycle import book, filed, parcel
from countermark.lifecycle.desk import Desk, read_file
from countermark.lifecycle.parcel import Head, Parcel
from countermark.passport.slip import Slip, verify
from countermark.statement.predicates import reception
from countermark.statement.predicates.reception import Reception
from countermark.statement.statement import EVERYBODY, Statement
from countermark.workspace.disk import Disk

Progress = Callable[[int, int], None]
Contents = Iterator[tuple[str, bytes]]
Examine = Callable[[str, Dataset, Contents], Sequence[str]]
MOST_REASONS = 100
MOST_EXTRA_FILES = 10_000
MOST_EXTRA_BYTES = 1 << 30
REFUSED_QUOTA_BYTES = 4 << 30
ID_DIGITS = 12
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


def nothing_more(_supplier: str, _dataset: Dataset, _contents: Contents) -> Sequence[str]:
    """The examination of a receiver without a contract: no further reasons."""
    return ()


def receive(desk: Desk, folder: Path, *, examine: Examine = nothing_more, progress: Progress | None = None) -> Received:
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
        done = _answered(desk, piece.envelope.digest)
        if done and done.state == "admitted":
            return done
        stage = desk.space.folder("incoming") / piece.envelope.digest
        try:
            door = _door_reasons(desk, trust, piece, party)
            reasons = _shortened(door + _stage(desk, folder, piece, party, stage, examine, progress))
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


def _door_reasons(desk: Desk, trust: Trust, piece: Parcel, party: Party) -> list[str]:
    """Who may deliver, to whom, with which clock, and in which order."""
    context = piece.delivery.context
    out = []
    if context.addressee not in (desk.party, EVERYBODY):
        out.append(f"the delivery is addressed to {context.addressee}, not to {desk.party}")
    if not {"supplier", "data-owner"} & set(party.roles):
        out.append(f"{party.id} may not deliver: it is no supplier")
    if wrong := parcel.misdated(context.time, trust, desk.now()):
        out.append(f"{wrong}: {party.id} sets its clock and delivers again")
    if any(name[:ID_DIGITS] == piece.envelope.digest[:ID_DIGITS] for name in _names(desk, "deliveries")):
        out.append(
            f"its rows would be called as those of another delivery: {party.id} changes its folder's name and delivers again"
        )
    return out + _sequence_reasons(desk, piece, party)


def _sequence_reasons(desk: Desk, piece: Parcel, party: Party) -> list[str]:
    """A delivery is the next of its supplier's, or a new try of the newest."""
    context, newest = piece.delivery.context, _newest(desk, piece, party)
    expected = newest.delivery.context.sequence + 1 if newest else 1
    if context.sequence < expected:
        return [f"delivery {context.sequence} of {party.id} comes after delivery {expected - 1}: an old one replayed"]
    if context.sequence > expected:
        return [
            f"delivery {context.sequence} of {party.id} does not follow the last one received ({expected - 1}): "
            f"receive delivery {expected} first, {party.id} keeps its file"
        ]
    if context.previous != (newest.envelope.digest if newest else None):
        return [f"delivery {context.sequence} of {party.id} names another delivery before it than the one received"]
    return []


def _newest(desk: Desk, piece: Parcel, party: Party) -> Head | None:
    """The end of the party's chain of deliveries to this receiver, as answered here, without `piece` itself."""
    after: dict[str | None, list[Head]] = {}
    for folder in _answered_folders(desk):
        if (folder / f"from.{party.id}").exists():
            head = _head(folder)
            if head.envelope.digest != piece.envelope.digest and head.delivery.context.addressee == desk.party:
                after.setdefault(head.delivery.context.previous, []).append(head)
    newest: Head | None = None
    while follow := after.pop(newest.envelope.digest if newest else None, []):
        place = newest.delivery.context.sequence + 1 if newest else 1
        in_place = [h for h in follow if h.delivery.context.sequence == place]
        if not in_place:
            break
        newest = next((h for h in in_place if h.envelope.digest in _names(desk, "deliveries")), in_place[0])
    return newest


def _names(desk: Desk, place: str) -> frozenset[str]:
    return frozenset(p.name for p in desk.space.folder(place).iterdir())


def _answered_folders(desk: Desk) -> list[Path]:
    """Folders of deliveries that were answered; each came there by one rename and so is whole."""
    places = [desk.space.home / place for place in ("deliveries", "refused")]
    return [f for p in places if p.is_dir() for f in sorted(p.iterdir()) if (f / ANSWER).exists() and f.name[0] != "."]


def copies(desk: Desk) -> Iterator[dsse.Envelope]:
    """Every delivery that was answered here, and each answer, as they lie beside the data."""
    for folder in _answered_folders(desk):
        if (folder / PARCEL).exists():
            yield _head(folder).envelope
        yield dsse.Envelope.from_bytes((folder / ANSWER).read_bytes(), what=ANSWER)


def _head(folder: Path) -> Head:
    with (folder / PARCEL).open("rb") as file:
        return parcel.parse_head(file.readline(parcel.MAX_PARCEL_BYTES), what=folder.name)


def _stage(
    desk: Desk, folder: Path, piece: Parcel, party: Party, stage: Path, examine: Examine, progress: Progress | None
) -> list[str]:
    """Copy what was delivered into private files, hashing the copies, and collect every reason to refuse."""
    copy = _Copy(desk.space.disk, stage / DATA, piece.tree)
    try:
        seen = read_folder(folder, sink=copy.keep, wants=copy.wants, progress=progress)
        copy.settle()
    except Refusal as refusal:
        copy.settle()
        return [refusal.what]
    reasons = [*parcel.too_large(seen), *(str(d) for d in compare(piece.tree, seen))]
    return reasons or _content_reasons(piece, party, seen, copy, examine)


class _Copy:
    """The private copy of a delivered folder, as it is written."""

    def __init__(self, disk: Disk, folder: Path, signed: Tree) -> None:
        self.folder = disk.folder(folder)
        self.metadata: dict[str, bytes] = {}
        self._disk = disk
        self._made = {folder}
        self._signed = frozenset(e.path for e in signed.entries)
        self._files_left = len(signed.entries) + MOST_EXTRA_FILES
        self._bytes_left = signed.total_bytes + MOST_EXTRA_BYTES

    def wants(self, path: str, size: int) -> bool:
        """Only what was signed is copied, so that nothing else can fill the disk; the rest is hashed, within limits.

        Raises:
            TreeRefused: far more files or bytes than were signed.
        """
        self._files_left -= 1
        self._bytes_left -= size
        if self._files_left < 0 or self._bytes_left < 0:
            raise TreeRefused("the folder holds far more files or bytes than were signed")
        return path in self._signed and size <= parcel.MAX_ROW_BYTES

    def keep(self, entry: TreeEntry, content: bytes) -> None:
        """Write one file; its name is durable after `settle`."""
        target = self.folder / entry.path
        if target.parent not in self._made:
            self._disk.folder(target.parent, staged=True)
            self._made.update(p for p in target.parents if self.folder in p.parents)
        self._disk.add(target, content, mode=0o700 if entry.executable else 0o600)
        if entry.path in METADATA:
            self.metadata[entry.path] = content

    def settle(self) -> None:
        """Make the names durable."""
        self._disk.settle(self._made)


def _content_reasons(piece: Parcel, party: Party, seen: Tree, copy: _Copy, examine: Examine) -> list[str]:
    # Rows inside shards are read once: whoever examines them holds them all, and each reading starts a confined process a shard.
    inside = None
    try:
        if shards.are_shards(seen):
            inside = list(shards.contents(copy.folder, seen))
            dataset = shards.dataset_of(inside)
        else:
            dataset = describe(seen, copy.metadata.__getitem__)
    except Refusal as refusal:
        return [refusal.what]
    if (dataset.layout, dataset.classes()) != (piece.delivery.layout, piece.delivery.classes):
        return ["the classes in the folder are not those of the signed statement"]
    outside = [
        f"class {label} is outside the scope of {party.id}" for label in dataset.classes() if not party.covers(label)
    ]
    return outside or list(examine(party.id, dataset, _contents(copy.folder, dataset, inside)))


def _contents(folder: Path, dataset: Dataset, inside: Sequence[shards.Inside] | None) -> Contents:
    """Path and bytes of each row of a private copy; those inside shards were read before."""
    if inside is not None:
        yield from ((row.entry.path, row.data) for row in inside)
        return
    for path in dataset.labels:
        yield path, (folder / path).read_bytes()


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
    book.enter(desk, trust, [_head(stage).envelope, envelope])
    disk, refused = desk.space.disk, desk.space.folder("refused")
    disk.sweep(stage)
    if _reception(envelope).state == "refused" and _size(refused) + _size(stage) > REFUSED_QUOTA_BYTES:
        disk.discard(stage / DATA)
    disk.discard(refused / stage.name)  # an earlier try of the same delivery; this one is whole and stays
    place = desk.space.folder("deliveries" if _reception(envelope).state == "admitted" else "refused") / stage.name
    disk.move(stage, place)
    return _received(desk, place)


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def _reception(envelope: dsse.Envelope) -> Reception:
    return Reception.from_json(Statement.from_bytes(envelope.payload, what="answer").predicate)


def _answered(desk: Desk, digest: str) -> Received | None:
    for folder in _answered_folders(desk):
        if folder.name == digest:
            return _received(desk, folder)
    return None


def _received(desk: Desk, folder: Path) -> Received:
    piece = parcel.parse((folder / PARCEL).read_bytes(), what=folder.name)
    supplier = next(folder.glob("from.*")).name.removeprefix("from.")
    envelope = dsse.Envelope.from_bytes((folder / ANSWER).read_bytes())
    answer, slip = _reception(envelope), filed.slip(desk, envelope.digest)
    return Received(supplier, answer.state, answer.reasons, answer.rows, piece, slip, folder)


def received(desk: Desk) -> list[Received]:
    """Every delivery that was answered here, by supplier and sequence; strangers first."""
    strangers = [_stranger(p) for p in sorted((desk.space.home / "refused").glob("*.stranger.json"))]
    answered = [_received(desk, folder) for folder in _answered_folders(desk)]
    return strangers + sorted(
        answered, key=lambda r: (r.supplier, r.parcel.delivery.context.sequence if r.parcel else 0)
    )


def _stranger(path: Path) -> Received:
    note = canonical.object_from_bytes(path.read_bytes(), what=path.name)
    return Received("unknown signer", "refused", (str(note.get("reason")),), 0)


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


def admitted_trees(desk: Desk) -> dict[str, Received]:
    """Admitted deliveries by payload digest.

    Raises:
        Unusable: there are none.
    """
    out = {r.parcel.envelope.digest: r for r in received(desk) if r.state == "admitted" and r.parcel}
    if not out:
        raise Unusable("no delivery was admitted yet", mend="`countermark receive DIR`")
    return out
