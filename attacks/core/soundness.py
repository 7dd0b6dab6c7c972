"""What must hold of a receiver's workspace after any crash: checked by reading, then by going on."""

from __future__ import annotations

from pathlib import Path

from core_world import OWNER, Clock

from countermark.artefact.folder import read_folder
from countermark.ledger.receipt import Receipt
from countermark.lifecycle import book, filed
from countermark.lifecycle.deliveries import DATA, received
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.parcel import Parcel
from countermark.lifecycle.receive import receive
from countermark.passport.slip import verify
from countermark.workspace.disk import Disk
from countermark.workspace.place import Workspace


def desk_at(root: Path, clock: Clock, disk: Disk | None = None) -> Desk:
    """The owner's desk over a workspace that was moved or restored."""
    return Desk(Workspace(root, disk), OWNER, clock)


def nothing_half(desk: Desk, pieces: list[Parcel]) -> None:
    """As the crash left it: whatever can be read is whole, and every receipt that was written holds."""
    for one in received(desk):
        assert one.state == "admitted", one.reasons
        assert one.parcel and one.folder and one.answer
        assert one.parcel.envelope.digest in {p.envelope.digest for p in pieces}
        assert read_folder(one.folder / DATA).digest == one.parcel.tree.digest
        verify(one.answer, desk.trust(), desk.now())
    for proof in (desk.space.home / "statements").glob("*.tlog-proof"):
        verify(filed.slip(desk, proof.stem), desk.trust(), desk.now())


def whole_again(desk: Desk, folders: list[Path], pieces: list[Parcel]) -> None:
    """After receiving once more: each delivery admitted once, entered once, answered once, nothing left over."""
    for folder in folders:
        assert receive(desk, folder).state == "admitted"
    nothing_half(desk, pieces)
    answers = received(desk)
    assert sorted(r.parcel.envelope.digest for r in answers if r.parcel) == sorted(p.envelope.digest for p in pieces)
    slips = [filed.slip(desk, p.envelope.digest) for p in pieces] + [r.answer for r in answers if r.answer]
    indices = sorted(Receipt.from_bytes(s.receipt or b"").index for s in slips)
    with book.ledger(desk, desk.trust()) as log:
        assert indices == list(range(log.checkpoint.size)), (indices, log.checkpoint.size)
    for name in ("incoming", "deliveries", "refused", "statements"):
        left = [p.name for p in (desk.space.home / name).iterdir() if p.name.startswith(".") or name == "incoming"]
        assert not left, (name, left)
    assert not list((desk.space.home / "statements").glob("*.entering"))
