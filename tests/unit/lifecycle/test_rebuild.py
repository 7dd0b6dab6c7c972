"""Rebuilding what is kept of statements: what is restored, what stays missing, and from whom to get it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World

from countermark import dsse
from countermark.errors import LedgerRefused
from countermark.ledger.log import Log
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


@pytest.fixture
def risky(small: World) -> World:
    """The owner may waive, too."""
    small.amend(
        lambda d: replace(
            d, parties=tuple(replace(p, roles=(*p.roles, "risk-owner")) if p.id == OWNER else p for p in d.parties)
        )
    )
    return small


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


def cut_short(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> Slip:
    """Entering a statement ends before the ledger has it, or after that and before its receipt is kept."""
    envelope = acts.waive(desk, "ab" * 32, "data/duplicates", days=3, reason="cut short")
    append = Log.append

    def killed(log: Log, leaves: list[bytes]) -> list[object]:
        if after:
            append(log, leaves)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            book.enter(desk, desk.trust(), [envelope])
    return Slip(envelope)


def test_a_statement_that_the_ledger_never_had_is_no_damage_and_is_moved_aside(
    risky: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = risky[OWNER]
    digest = cut_short(desk, monkeypatch, after=False).envelope.digest
    _, troubles, unfinished = care.fsck(desk)
    assert troubles == [] and [t.where for t in unfinished] == [f"statements/{digest}.json"]
    assert "ledger add" in unfinished[0].mend
    done = rebuild.rebuild(desk)
    assert (done.aside, done.missing) == ((digest,), ()) and care.fsck(desk)[1:] == ([], [])
    kept = desk.space.home / "statements" / care.ASIDE
    assert sorted(p.name for p in kept.iterdir()) == [f"{digest}.{s}" for s in ("entering", "json", "opening")]
    (back,) = book.enter(desk, desk.trust(), [dsse.Envelope.from_bytes((kept / f"{digest}.json").read_bytes())])
    assert back.index() == 4 and care.fsck(desk)[1:] == ([], [])


def test_a_statement_that_the_ledger_had_already_gets_its_receipt(
    risky: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = risky[OWNER]
    cut_short(desk, monkeypatch, after=True)
    assert {t.where[:10] for t in care.fsck(desk).troubles} == {"entry 4", "statements"}
    assert all("rebuild-index" in t.mend for t in care.fsck(desk).troubles)
    done = rebuild.rebuild(desk)
    assert (done.receipts, done.aside, done.missing) == (1, (), ()) and care.fsck(desk)[1:] == ([], [])
    assert not list((desk.space.home / "statements").glob("*.entering"))


def test_a_marker_that_was_only_not_cleared_is_nothing(small: World) -> None:
    desk = small[OWNER]
    marker = filed.path(desk, statement(desk, 3).envelope.digest, "entering")
    marker.touch()
    assert care.fsck(desk)[1:] == ([], [])
    rebuild.rebuild(desk)
    assert not marker.exists()
