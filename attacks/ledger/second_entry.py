"""A ledger's keeper enters one statement twice, and hands out papers that lead to the second entry once the first is revoked.

    python attacks/ledger/second_entry.py

With a snapshot that names entries alone, as before, the papers with the second entry verify as fresh. With one that names the
statements too they are refused; and whoever looks after the ledger sees an entry that no statement opens. Exit code 0 when that held.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import small_release
from core_world import OWNER, SUPPLIER, World, private_key

from countermark.errors import TrustRefused
from countermark.ledger.log import Log
from countermark.ledger.record import fresh_opening
from countermark.ledger.stores.files import FileStore
from countermark.lifecycle import acts, book, care, withdraw
from countermark.lifecycle.verify import pin_snapshot, pinned, verify_model
from countermark.passport.passport import Commitment, Passport
from countermark.passport.slip import Slip, ledger_note_key
from countermark.statement.predicates.acts import Revocations
from countermark.statement.statement import Statement


def entered_twice(world: World, papers: Path) -> Passport:
    """The same papers, their verdict at a second entry of the ledger, every receipt against the new head."""
    desk, passport = world[OWNER], Passport.from_bytes(papers.read_bytes())
    first = passport.verdict
    if first.opening is None:
        raise SystemExit("the verdict was never entered")
    again = fresh_opening(first.opening.record)
    key = private_key(OWNER, "ledger")
    with Log.open(FileStore.at(desk.space.home / "ledger"), ledger_note_key(desk.trust()), key.sign) as log:
        (receipt,) = log.append([again.leaf()])
        second = Slip(first.envelope, again, receipt.to_bytes())
        slips = [replace(s, receipt=log.reader.receipt(s.index()).to_bytes()) for s in passport.statements]
        hidden = [
            replace(d, receipt=log.reader.receipt(log.reader.find(d.leaf) or 0).to_bytes())
            for d in passport.commitments if isinstance(d, Commitment)
        ]  # fmt: skip
        proofs = {s: tuple(log.reader.consistency(s)) for s in range(1, log.checkpoint.size)}
    return replace(passport, verdict=second, statements=tuple(slips), commitments=tuple(hidden), consistency=proofs)


def snapshot_of(world: World, *, naming: bool) -> Path:
    """The owners' newest snapshot; without the statements, as it was written before, where `naming` is false."""
    slip = acts.snapshot(world[OWNER])
    if not naming:
        said = Statement.from_bytes(slip.envelope.payload)
        bare = replace(Revocations.from_json(said.predicate), statements=())
        signed = world[OWNER].sign(replace(said, predicate=bare.to_json()))
        (slip,) = book.enter(world[OWNER], world[OWNER].trust(), [signed])
    file = world.root / f"revocations-{naming}.json"
    file.write_bytes(slip.to_bytes())
    return file


def attack(root: Path, *, naming: bool) -> tuple[bool, bool]:
    """Whether the papers with the second entry are refused, and whether the keeper's own tools see that entry."""
    world = small_release.make(root)
    model, papers = small_release.model(world, "model")
    withdraw.withdraw(world[OWNER], withdraw.find(world[OWNER], str(model)), "poisoned")
    twice = entered_twice(world, papers)
    seen = any(t.where.startswith("entry ") for t in care.fsck(world[OWNER]).troubles) and bool(
        care.monitor(world[OWNER]).alarms
    )
    pin_snapshot(world[SUPPLIER], snapshot_of(world, naming=naming))
    forged = papers.with_name("twice.cmpass")
    forged.write_bytes(twice.to_bytes())
    try:
        verify_model(model, forged, replace(pinned(world[SUPPLIER]), size=0, root=""), world.clock())
    except TrustRefused as refusal:
        return "second entry" in refusal.why, seen
    return False, seen


def main() -> None:
    """Run both sides."""
    with tempfile.TemporaryDirectory() as name:
        before, now = (attack(Path(name) / str(naming), naming=naming) for naming in (False, True))
    print(
        f"snapshot that names entries alone: {'refused' if before[0] else 'FRESH'}; statements too: {'refused' if now[0] else 'FRESH'}"
    )
    print(f"fsck and monitor see the second entry: {now[1]}")
    sys.exit(0 if (before[0], *now) == (False, True, True) else 1)


if __name__ == "__main__":
    main()
