"""A ledger's care: what fsck names, what rebuilding restores, and what a monitor raises an alarm about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World, private_key

from countermark.errors import LedgerRefused
from countermark.ledger.log import Log
from countermark.ledger.record import LEAF_BYTES
from countermark.ledger.stores.files import FileStore
from countermark.lifecycle import acts, book, care, filed
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.rebuild import Rebuilt, rebuild
from countermark.lifecycle.receive import receive
from countermark.passport.slip import ledger_note_key


@pytest.fixture
def small(tmp_path: Path) -> World:
    world = small_release.make(tmp_path / "small")
    small_release.model(world, "model")
    acts.snapshot(world[OWNER])
    return world


def home(desk: Desk) -> Path:
    return desk.space.home


def thief(desk: Desk, leaf: bytes = bytes(LEAF_BYTES)) -> None:
    """Somebody else who has the ledger's key enters something."""
    key = private_key(OWNER, "ledger")
    with Log.open(FileStore.at(home(desk) / "ledger"), ledger_note_key(desk.trust()), key.sign) as log:
        log.append([leaf])


def test_a_whole_ledger_has_no_troubles(small: World) -> None:
    told: list[tuple[int, int]] = []
    head, troubles, unfinished = care.fsck(small[OWNER], lambda *done: told.append(done))
    assert (head.size, troubles, unfinished) == (4, [], []) and told[-1] == (4, 4)
    assert rebuild(small[OWNER]) == Rebuilt(0, 0, (), 4, ())


@pytest.mark.parametrize("kind", ["tile/0", "tile/entries"])
def test_one_flipped_bit_in_the_ledger_is_named(small: World, kind: str) -> None:
    (file,) = (p for p in (home(small[OWNER]) / "ledger" / kind).rglob("4") if p.is_file())
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    _, troubles, _ = care.fsck(small[OWNER])
    assert troubles[0].where == "ledger/" and ("tile" in troubles[0].what or "entries" in troubles[0].what)
    with pytest.raises(LedgerRefused):
        rebuild(small[OWNER])


def test_a_head_that_the_key_did_not_sign_is_refused(small: World) -> None:
    file = home(small[OWNER]) / "ledger" / "checkpoint"
    file.write_bytes(file.read_bytes().replace(b"\n4\n", b"\n3\n"))
    for act in (care.fsck, rebuild, care.monitor):
        with pytest.raises(LedgerRefused):
            act(small[OWNER])


@pytest.mark.parametrize("suffix", ["json", "opening", "tlog-proof"])
def test_one_flipped_bit_in_a_statement_is_named(small: World, suffix: str) -> None:
    for file in sorted((home(small[OWNER]) / "statements").glob(f"*.{suffix}")):
        kept = file.read_bytes()
        data = bytearray(kept)
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        _, troubles, _ = care.fsck(small[OWNER])
        assert any(file.stem in t.where for t in troubles), troubles
        file.write_bytes(kept)
    assert care.fsck(small[OWNER])[1] == []


def test_lost_files_are_named_and_receipts_made_again(small: World) -> None:
    desk = small[OWNER]
    statements = home(desk) / "statements"
    before = {p.name: filed.slip(desk, p.stem).index() for p in statements.glob("*.tlog-proof")}
    first, second, *_ = sorted(statements.glob("*.tlog-proof"))
    first.unlink()
    second.write_bytes(b"nothing")
    assert len(care.fsck(desk)[1]) == 4  # two statements, and the two entries that they explained
    assert rebuild(desk) == Rebuilt(0, 2, (), 4, ())
    assert care.fsck(desk)[1] == []
    assert before == {p.name: filed.slip(desk, p.stem).index() for p in statements.glob("*.tlog-proof")}
    sorted(statements.glob("*.json"))[0].unlink()
    assert next(t.where for t in care.fsck(desk)[1]).startswith("entry ")


def test_statements_that_were_never_entered_are_told(small: World) -> None:
    desk = small[OWNER]
    shutil.copytree(home(desk) / "ledger", small.root / "before")
    acts.snapshot(desk)
    (newest,) = (s for s in book.entered(desk, acts.acts.REVOCATION) if s.index() == 4)
    shutil.rmtree(home(desk) / "ledger")
    shutil.copytree(small.root / "before", home(desk) / "ledger")
    done = rebuild(desk)
    assert done.receipts == 0 and [t.where for t in done.missing] == [f"statements/{newest.envelope.digest}.opening"]
    assert any(newest.envelope.digest in t.where for t in care.fsck(desk)[1])


def test_a_monitor_sees_growth_and_remembers(small: World) -> None:
    desk = small[OWNER]
    assert (care.monitor(desk).before, care.monitor(desk).before) == (0, 4)
    sent, _ = small.delivered(small.parts("more"))
    receive(desk, sent)
    done = care.monitor(desk)
    assert (done.before, done.head.size, done.alarms) == (4, 6, ())
    assert (home(desk) / care.STATE).stat().st_mode & 0o777 == 0o600


def test_an_entry_that_nobody_here_entered_is_an_alarm_until_it_is_explained(small: World) -> None:
    desk = small[OWNER]
    care.monitor(desk)
    thief(desk)
    for _ in range(2):  # the mark does not move past an alarm
        done = care.monitor(desk)
        assert [t.where for t in done.alarms] == ["entry 4"] and done.before == 4
    assert any(t.where == "entry 4" for t in care.fsck(desk)[1])


def test_a_rolled_back_and_a_forked_ledger_are_refused(small: World, tmp_path: Path) -> None:
    desk = small[OWNER]
    folder = home(desk) / "ledger"
    shutil.copytree(folder, tmp_path / "copy")
    acts.snapshot(desk)
    assert care.monitor(desk).head.size == 5
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    with pytest.raises(LedgerRefused, match="5 were seen before"):
        care.monitor(desk)
    thief(desk)
    with pytest.raises(LedgerRefused):
        care.monitor(desk)


def test_another_party_watches_the_history_without_opening_it(small: World) -> None:
    served, reader = home(small[OWNER]) / "ledger", small[SUPPLIER]
    assert care.monitor(reader, str(served)).head.size == 4
    thief(small[OWNER])
    done = care.monitor(reader, str(served))
    assert (done.before, done.head.size, done.alarms) == (4, 5, ())
    (home(reader) / care.STATE).write_bytes((home(reader) / care.STATE).read_bytes().replace(b"parts", b"other"))
    with pytest.raises(LedgerRefused, match="another ledger"):
        care.monitor(reader, str(served))
