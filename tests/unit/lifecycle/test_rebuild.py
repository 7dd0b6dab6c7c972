"""Rebuilding what is kept of statements: what is restored, what stays missing, and from whom to get it."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World

from countermark import dsse
from countermark.errors import LedgerRefused
from countermark.lifecycle import acts, book, care, filed, rebuild
from countermark.lifecycle.desk import Desk
from countermark.passport.slip import Slip
from countermark.statement.predicates import delivery


@pytest.fixture
def small(tmp_path: Path) -> World:
    """Entries 0 to 3: a delivery, its answer, a verdict, a revocation snapshot."""
    world = small_release.make(tmp_path / "small")
    small_release.model(world, "model")
    acts.snapshot(world[OWNER])
    return world


def statement(desk: Desk, entry: int) -> Slip:
    return next(s for s in book.every(desk) if s.index() == entry)


def lose(desk: Desk, slip: Slip, *suffixes: str) -> None:
    for suffix in suffixes:
        filed.path(desk, slip.envelope.digest, suffix).unlink()


def slip_file(world: World, slip: Slip) -> Path:
    file = world.root / f"{slip.envelope.digest[:8]}.slip.json"
    file.write_bytes(slip.to_bytes())
    return file


@pytest.mark.parametrize("entry", [0, 1])
@pytest.mark.parametrize("suffixes", [("json",), ("json", "tlog-proof")])
def test_what_lies_elsewhere_in_the_workspace_is_restored(small: World, entry: int, suffixes: tuple[str, ...]) -> None:
    desk = small[OWNER]
    gone = statement(desk, entry)
    lose(desk, gone, *suffixes)
    done = rebuild.rebuild(desk)
    assert (done.statements, done.receipts, done.missing) == (1, len(suffixes) - 1, ())
    assert care.fsck(desk)[1] == [] and statement(desk, entry).envelope == gone.envelope


@pytest.mark.parametrize(
    "suffixes", [("json",), ("opening",), ("json", "tlog-proof"), ("json", "opening", "tlog-proof")]
)
def test_what_cannot_be_restored_is_told_with_whom_to_ask(small: World, suffixes: tuple[str, ...]) -> None:
    desk = small[OWNER]
    gone = statement(desk, 2)
    held = slip_file(small, gone)
    lose(desk, gone, *suffixes)
    done = rebuild.rebuild(desk)
    (missing,) = done.missing
    assert missing.where == "entry 2" and "verdict" in missing.what and OWNER in missing.mend
    assert "rebuild-index --from" in missing.mend
    assert rebuild.rebuild(desk).missing[0].where == "entry 2"  # and again, until it is there
    back = rebuild.rebuild(desk, [held])
    assert (back.statements, back.missing) == (1, ()) and care.fsck(desk)[1] == []
    assert statement(desk, 2).envelope == gone.envelope


def test_without_a_trace_the_entry_is_told(small: World) -> None:
    desk = small[OWNER]
    gone = statement(desk, 2)
    lose(desk, gone, "json", "opening", "tlog-proof")
    (desk.space.home / "index.json").unlink()
    (missing,) = rebuild.rebuild(desk).missing
    assert missing.where == "entry 2" and "slip" in missing.mend and "copy" in missing.mend


def test_papers_of_others_restore_what_they_carry(small: World) -> None:
    desk = small[OWNER]
    (passport,) = desk.space.root.parent.rglob("*.cmpass")
    lose(desk, statement(desk, 2), "json", "opening", "tlog-proof")
    done = rebuild.rebuild(desk, [passport])
    assert (done.statements, done.receipts, done.missing) == (1, 1, ())


def test_a_made_up_statement_restores_nothing(small: World) -> None:
    desk = small[OWNER]
    gone = statement(desk, 2)
    junk = (dsse.Signature(gone.envelope.signatures[0].keyid, bytes(64)),)
    forged = Slip(dsse.Envelope(gone.envelope.payload_type, gone.envelope.payload, junk), gone.opening, gone.receipt)
    other = Slip(statement(desk, 1).envelope, gone.opening, gone.receipt)
    lose(desk, gone, "json", "opening", "tlog-proof")
    for slip in (forged, other):
        done = rebuild.rebuild(desk, [slip_file(small, slip)])
        assert done.statements == 0 and [m.where for m in done.missing] == ["entry 2"]


def test_a_lost_statement_comes_back_when_it_is_entered_again(small: World) -> None:
    desk = small[OWNER]
    gone = statement(desk, 3)
    lose(desk, gone, "json", "tlog-proof")
    (back,) = book.enter(desk, desk.trust(), [gone.envelope])
    assert back.index() == 3 and care.fsck(desk) == (book.show_head(desk, desk.trust()), [], [])


def test_a_statement_whose_opening_was_lost_is_not_entered_twice(small: World) -> None:
    desk = small[OWNER]
    gone = statement(desk, 3)
    lose(desk, gone, "opening")
    with pytest.raises(LedgerRefused, match="opening") as refused:
        book.enter(desk, desk.trust(), [gone.envelope])
    assert "rebuild-index --from" in refused.value.mend
    assert book.show_head(desk, desk.trust()).size == 4


def test_the_signer_can_hand_the_bare_statement_again(small: World) -> None:
    desk = small[OWNER]
    gone = next(s for s in book.every(desk) if s.index() == 0)
    assert gone.opening is not None and gone.opening.record.type == delivery.TYPE
    (kept,) = (desk.space.home / "deliveries").iterdir()
    (kept / "parcel.cmdelivery").rename(small.root / "aside")  # no copy here any more
    lose(desk, gone, "json")
    assert [m.where for m in rebuild.rebuild(desk).missing] == ["entry 0"]
    assert SUPPLIER in rebuild.rebuild(desk).missing[0].mend
    file = small.root / "again.json"
    file.write_bytes(gone.envelope.to_bytes())
    assert rebuild.rebuild(desk, [file]).missing == ()
