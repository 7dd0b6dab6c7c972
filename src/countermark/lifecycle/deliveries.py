"""Deliveries that were answered here, as they lie in the workspace: each came to its place by one rename, and so is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from countermark import canonical, dsse
from countermark.errors import Unusable
from countermark.lifecycle import filed, parcel
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.parcel import Head, Parcel
from countermark.passport.slip import Slip
from countermark.statement.predicates.reception import Reception
from countermark.statement.statement import Statement

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


def read(desk: Desk, folder: Path) -> Received:
    """The delivery in a folder, and its answer."""
    piece = parcel.parse((folder / PARCEL).read_bytes(), what=folder.name)
    supplier = next(folder.glob("from.*")).name.removeprefix("from.")
    envelope = dsse.Envelope.from_bytes((folder / ANSWER).read_bytes())
    answer, slip = reception(envelope), filed.slip(desk, envelope.digest)
    return Received(supplier, answer.state, answer.reasons, answer.rows, piece, slip, folder)


def answered(desk: Desk, digest: str) -> Received | None:
    """The answer to the delivery of that payload digest; None where there is none yet."""
    for folder in folders(desk):
        if folder.name == digest:
            return read(desk, folder)
    return None


def received(desk: Desk) -> list[Received]:
    """Every delivery that was answered here, by supplier and sequence; strangers first."""
    strangers = [_stranger(p) for p in sorted((desk.space.home / "refused").glob("*.stranger.json"))]
    told = [read(desk, folder) for folder in folders(desk)]
    return strangers + sorted(told, key=lambda r: (r.supplier, r.parcel.delivery.context.sequence if r.parcel else 0))


def _stranger(path: Path) -> Received:
    note = canonical.object_from_bytes(path.read_bytes(), what=path.name)
    return Received("unknown signer", "refused", (str(note.get("reason")),), 0)


def admitted_trees(desk: Desk) -> dict[str, Received]:
    """Admitted deliveries by payload digest.

    Raises:
        Unusable: there are none.
    """
    out = {r.parcel.envelope.digest: r for r in received(desk) if r.state == "admitted" and r.parcel}
    if not out:
        raise Unusable("no delivery was admitted yet", mend="`countermark receive DIR`")
    return out


def copies(desk: Desk) -> Iterator[dsse.Envelope]:
    """Every delivery that was answered here, and each answer, as they lie beside the data."""
    for folder in folders(desk):
        if (folder / PARCEL).exists():
            yield head(folder).envelope
        yield dsse.Envelope.from_bytes((folder / ANSWER).read_bytes(), what=ANSWER)


def folders(desk: Desk) -> list[Path]:
    """Folders of deliveries that were answered."""
    places = [desk.space.home / place for place in ("deliveries", "refused")]
    return [f for p in places if p.is_dir() for f in sorted(p.iterdir()) if (f / ANSWER).exists() and f.name[0] != "."]


def head(folder: Path) -> Head:
    """What its supplier signed, of the delivery in a folder; the manifest is not read."""
    with (folder / PARCEL).open("rb") as file:
        return parcel.parse_head(file.readline(parcel.MAX_PARCEL_BYTES), what=folder.name)


def reception(envelope: dsse.Envelope) -> Reception:
    """What an answer says."""
    return Reception.from_json(Statement.from_bytes(envelope.payload, what="answer").predicate)
