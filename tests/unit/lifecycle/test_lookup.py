"""Looking statements up: the same answers with every index, at any time; and an index that lies is found out."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World

from countermark.errors import CountermarkError, LedgerRefused, NothingToVerify, Unusable
from countermark.lifecycle import acts, book, care, filed, lookup, withdraw
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.recall import recall
from countermark.lifecycle.receive import receive
from countermark.statement.predicates import acts as predicates
from countermark.statement.predicates import delivery, reception, verdict
from countermark.workspace.index import Shelf
from countermark.workspace.index_memory import MemoryIndex

TYPES = (delivery.TYPE, reception.TYPE, verdict.TYPE, predicates.REVOCATION, predicates.WITHDRAWAL)


def _attack() -> ModuleType:
    path = Path(__file__).parents[3] / "attacks" / "ledger" / "hidden_withdrawal.py"
    spec = importlib.util.spec_from_file_location("hidden_withdrawal", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hidden_withdrawal"] = module
    spec.loader.exec_module(module)
    return module


hidden_withdrawal = _attack()


@pytest.fixture
def small(tmp_path: Path) -> World:
    world = small_release.make(tmp_path / "small")
    small_release.model(world, "model")
    acts.snapshot(world[OWNER])
    return world


def home(desk: Desk) -> Path:
    return desk.space.home


def seen(desk: Desk) -> list[list[str]]:
    """Everything that look-ups tell."""
    out = [[s.envelope.digest for s in book.entered(desk, kind)] for kind in (*TYPES, "nothing")]
    out.append([s.envelope.digest for s in book.entered(desk, *TYPES)])
    out.append([s.envelope.digest for s in book.every(desk)])
    out += [
        [book.find(desk, d[:12]).envelope.digest, book.find(desk, str(n)).envelope.digest]
        for n, d in enumerate(out[-1])
    ]
    return out


def scanned(desk: Desk) -> list[list[str]]:
    """The same without any index: a file cannot be where a folder stands."""
    with_none = replace(desk, index=lambda space: lookup_nowhere(space.home / "nowhere"))
    return seen(with_none)


def lookup_nowhere(path: Path):
    from countermark.workspace.index_sqlite import SqliteIndex

    return SqliteIndex(path / "nothing" / "index.sqlite")


def more(world: World, name: str = "more") -> None:
    sent, _ = world.delivered(world.parts(name))
    receive(world[OWNER], sent)


def in_memory(desk: Desk) -> tuple[Desk, MemoryIndex]:
    index = MemoryIndex()
    (home(desk) / lookup.FILE).unlink(missing_ok=True)
    return replace(desk, index=lambda _space: index), index


def test_an_index_answers_as_the_folder_does(small: World) -> None:
    desk = small[OWNER]
    expected = scanned(desk)
    assert [len(e) for e in expected[:5]] == [1, 1, 1, 1, 0] and seen(desk) == expected
    more(small)
    withdraw.withdraw(desk, book.entered(desk, verdict.TYPE), "no longer")
    assert seen(desk) == scanned(desk) != expected
    assert (home(desk) / "index.sqlite").stat().st_mode & 0o777 == 0o600


def test_find_asks_for_few_rows_and_names_one_statement(small: World) -> None:
    desk, index = in_memory(small[OWNER])
    one = book.every(desk)[2]
    index.asked.clear()
    assert book.find(desk, one.envelope.digest[:8]).envelope == one.envelope and book.find(desk, "2").index() == 2
    assert {s for s in index.asked if s.key != "-"} == {Shelf.of_digest(one.envelope.digest), Shelf.of_entry(2)}
    for which in ("", "3", one.envelope.digest[:7], "9" * 7, "zz" * 8, "²", "../" * 4, one.envelope.digest + "0"):
        with pytest.raises(NothingToVerify) if which != "3" else pytest.raises(AssertionError):
            book.find(desk, which)
            raise AssertionError


def test_statements_about_one_tree(small: World) -> None:
    desk = small[OWNER]
    (one,) = book.entered(desk, verdict.TYPE)
    digest = filed.row_of(one, one.envelope.digest).subject
    assert (
        book.entered(desk, verdict.TYPE, about=digest) == [one]
        and book.entered(desk, verdict.TYPE, about="0" * 64) == []
    )
    assert withdraw.find(desk, str(small.root / "model")) == [one]


@pytest.mark.parametrize("name", sorted(hidden_withdrawal.ATTACKS))
def test_a_hostile_index_hides_no_withdrawal(tmp_path: Path, name: str) -> None:
    desk = hidden_withdrawal.withdrawn_delivery(tmp_path / "world")[OWNER]
    hidden_withdrawal.strike(desk, hidden_withdrawal.ATTACKS[name])
    assert hidden_withdrawal.counts(desk) in ("withdrawn", "refused")
    assert recalled(desk) in (1, "refused")
    care.reindex(desk)
    assert hidden_withdrawal.counts(desk) == "withdrawn" and seen(desk) == scanned(desk)


def recalled(desk: Desk) -> int | str:
    try:
        return len(recall(desk, supplier=SUPPLIER).deliveries)
    except LedgerRefused as error:
        assert "rebuild-index" in error.mend
        return "refused"


def test_believed_as_it_is_the_index_would_hide_it(tmp_path: Path) -> None:
    desk = hidden_withdrawal.withdrawn_delivery(tmp_path / "world")[OWNER]
    hidden_withdrawal.strike(desk, hidden_withdrawal.ATTACKS["the withdrawal's row is removed"])
    with hidden_withdrawal.believed():
        assert hidden_withdrawal.counts(desk) == "hidden"


@pytest.mark.parametrize("fate", ["lost", "kept"])
def test_a_write_to_the_index_that_fails_is_caught_up_at_the_next_look(small: World, fate) -> None:
    desk, index = in_memory(small[OWNER])
    small.desks[OWNER] = desk
    before = seen(desk)
    index.fail(fate)
    more(small)  # the ledger has it, whatever became of the index
    assert filed.head(desk) != lookup._read(desk).size and seen(desk) == scanned(small[OWNER]) != before
    assert len(index.kept[desk.mark().fingerprint]) == 6


def test_a_crash_between_ledger_and_index_is_caught_up(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small[OWNER]
    seen(desk)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lookup, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            more(small)
    assert [len(e) for e in seen(desk)[:2]] == [2, 2] and seen(desk) == scanned(desk)


def test_a_crash_between_index_and_its_coverage_is_no_alarm(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, index = in_memory(small[OWNER])
    small.desks[OWNER] = desk
    seen(desk)
    with monkeypatch.context() as patch:
        patch.setattr(lookup, "_write", lambda *_: None)
        more(small)
    assert len(index.kept[desk.mark().fingerprint]) == 6 and lookup._read(desk).size == 4
    made = index.replace
    monkeypatch.setattr(index, "replace", lambda *_: pytest.fail("it was made anew for a crash"))
    assert [len(e) for e in seen(desk)[:2]] == [2, 2]
    monkeypatch.setattr(index, "replace", made)


def test_entering_does_not_read_the_folder_again(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = small[OWNER]
    seen(desk)
    more(small)
    monkeypatch.setattr(filed, "digests", lambda _desk: pytest.fail("the folder was looked through"))
    assert [len(e) for e in seen(desk)[:2]] == [2, 2]


def test_a_statement_whose_files_were_taken_away_is_missed(small: World) -> None:
    desk = small[OWNER]
    (gone,) = withdraw.withdraw(desk, book.entered(desk, delivery.TYPE), "recalled")
    assert withdraw.entries(desk) == {0}
    kept = {p: p.read_bytes() for p in (home(desk) / "statements").glob(f"{gone.envelope.digest}.*")}
    for path in kept:
        path.unlink()
    for look in (lambda: withdraw.entries(desk), lambda: book.find(desk, str(gone.index())), lambda: book.every(desk)):
        with pytest.raises(LedgerRefused, match="its files are not here"):
            look()
    made, troubles = care.reindex(desk)
    assert (made, troubles) == (4, []) and withdraw.entries(desk) == set()
    assert any(t.where == f"entry {gone.index()}" for t in care.fsck(desk)[1])
    for path, data in kept.items():  # nothing tells that it came back but the folder, and the entry that nobody opens
        path.write_bytes(data)
    assert withdraw.entries(desk) == {0}


def test_a_statement_that_was_swapped_is_refused(small: World) -> None:
    desk = small[OWNER]
    one, other = (
        book.entered(desk, verdict.TYPE)[0].envelope.digest,
        book.entered(desk, delivery.TYPE)[0].envelope.digest,
    )
    for suffix in ("json", "opening", "tlog-proof"):
        shutil.copy(filed.path(desk, other, suffix), filed.path(desk, one, suffix))
    with pytest.raises(LedgerRefused, match="another statement"):
        book.entered(desk, verdict.TYPE)
    made, troubles = care.reindex(desk)
    assert made == 3 and [t.where for t in troubles] == [f"statements/{one}.json"]
    with pytest.raises(LedgerRefused, match="another statement"):
        book.entered(desk, delivery.TYPE)  # as long as it lies there, nobody knows what it is


def test_an_older_ledger_makes_the_index_anew(small: World) -> None:
    desk = small[OWNER]
    shutil.copytree(home(desk) / "ledger", small.root / "older")
    more(small)
    expected = seen(desk)
    shutil.rmtree(home(desk) / "ledger")
    shutil.copytree(small.root / "older", home(desk) / "ledger")
    assert seen(desk) == expected and lookup._read(desk).size == 4
    assert scanned(desk) == expected


@pytest.mark.parametrize("data", [b"", b"{}", b"not json", b'{"format":99}', b"\xff" * 100, None])
def test_coverage_of_another_version_or_none_is_made_anew(small: World, data: bytes | None) -> None:
    desk = small[OWNER]
    expected, path = seen(desk), home(desk) / lookup.FILE
    good = lookup._read(desk)
    path.unlink() if data is None else path.write_bytes(data)
    assert seen(desk) == expected and lookup._read(desk).shelves == good.shelves


def test_without_room_for_an_index_the_folder_answers_and_a_server_is_missed(small: World, tmp_path: Path) -> None:
    desk = small[OWNER]
    nowhere = replace(desk, index=lambda _space: lookup_nowhere(tmp_path))
    (home(desk) / lookup.FILE).unlink(missing_ok=True)
    assert [len(e) for e in seen(nowhere)[:5]] == [1, 1, 1, 1, 0]
    pytest.importorskip("psycopg")
    from countermark.workspace.index_postgresql import PostgresIndex

    away = PostgresIndex(f"postgresql://u@/d?host={tmp_path}")
    with pytest.raises(Unusable, match="cannot be reached"):
        book.entered(replace(desk, index=lambda _space: away), verdict.TYPE)


def test_a_party_that_keeps_no_ledger_has_no_index(small: World) -> None:
    desk = small[SUPPLIER]
    assert book.entered(desk, *TYPES) == [] and not list(home(desk).glob("index*"))
    assert care.reindex(desk) == (0, [])


def test_two_writers_and_a_reader_between_them(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that saw the coverage of before, and rows of after, looks again when the writer is done."""
    desk, _ = in_memory(small[OWNER])
    small.desks[OWNER] = desk
    seen(desk)
    real, moments = lookup._current, iter([1])

    def then_another_writes(at: Desk):
        out = real(at)
        if next(moments, None):
            more(small)
        return out

    monkeypatch.setattr(lookup, "_current", then_another_writes)
    assert len(book.entered(desk, delivery.TYPE)) == 2


def test_no_look_up_raises_anything_but_our_errors(small: World) -> None:
    import random
    import sqlite3

    desk, draw = small[OWNER], random.Random(3)
    expected, path = seen(desk), home(desk) / "index.sqlite"
    good = path.read_bytes()
    for _ in range(60):
        data = bytearray(good)
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)
        try:
            assert seen(desk) == expected
        except CountermarkError as error:
            assert "rebuild-index" in error.mend, error
        except sqlite3.Error as error:
            pytest.fail(f"leaked {error!r}")
        path.write_bytes(good)
