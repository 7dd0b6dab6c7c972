"""One suite over every index of statements: the guarantees that its protocol promises, and the same answers from each."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from countermark.errors import LedgerRefused, Unusable
from countermark.workspace.coverage import Coverage
from countermark.workspace.index import ENTRIES, VERSION, Index, Row, Shelf, shelves
from countermark.workspace.index_memory import MemoryIndex
from countermark.workspace.index_sqlite import SqliteIndex

PROJECT, OTHER = "1" * 64, "2" * 64
TYPES = (
    "urn:countermark:predicate:delivery:v1",
    "urn:countermark:predicate:withdrawal:v1",
    "a type: 'quoted' \"twice\" é%_",
)
_numbers = itertools.count()


def made(count: int, seed: int = 0) -> list[Row]:
    draw = random.Random(seed)
    hexes = [f"{draw.getrandbits(256):064x}" for _ in range(2 * count)]
    return [
        Row(n * 7 % 5000, hexes[2 * n], TYPES[n % 3], f"party-{n % 4}", hexes[2 * n + 1], f"2026-11-{n % 28 + 1:02}T10:00:00Z")
        for n in range(count)
    ]  # fmt: skip


@dataclass
class Place:
    """Where an index lies: gives objects for it, and lets a test change it as somebody else could; nobody else reaches memory."""

    open: Callable[[], Index]
    run: Callable[[str], None] = print
    table: str = ""
    breaking: tuple[str, ...] = ()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        memory = MemoryIndex()
        yield Place(lambda: memory)
        return
    if request.param == "sqlite":
        path = tmp_path / "index.sqlite"
        yield Place(lambda: SqliteIndex(path), lambda line: _sqlite(path, line), "statement",
                    ("PRAGMA user_version = 99", "DROP TABLE statement", "DROP TABLE version", "ALTER TABLE statement RENAME party TO p"))  # fmt: skip
        return
    server = request.getfixturevalue("postgresql")
    from countermark.workspace.index_postgresql import PostgresIndex

    name = f"index{next(_numbers)}"
    _postgresql(server.url(), f"CREATE DATABASE {name}")
    yield Place(lambda: PostgresIndex(server.url(name)), lambda line: _postgresql(server.url(name), line), "countermark_statement",
                ("UPDATE countermark_index SET version = 99", "DROP TABLE countermark_statement", "DROP TABLE countermark_index",
                 "ALTER TABLE countermark_statement RENAME party TO p"))  # fmt: skip


def _sqlite(path: Path, line: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(line)


def _postgresql(url: str, line: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(line)


def on(shelf: Shelf, rows: list[Row]) -> list[Row]:
    return sorted(row for row in rows if shelf in shelves(row))


def all_shelves(rows: list[Row]) -> set[Shelf]:
    return {shelf for row in rows for shelf in shelves(row)}


def test_every_shelf_is_answered_in_order_and_by_another_object(place: Place) -> None:
    rows = made(400)
    place.open().replace(PROJECT, iter(rows))
    index = place.open()
    for shelf in all_shelves(rows):
        assert index.rows(PROJECT, shelf, 1000) == on(shelf, rows), shelf
        assert index.rows(PROJECT, shelf, 2) == on(shelf, rows)[:2]
    for nothing in (
        Shelf.of_type("nothing"),
        Shelf("digest", "-"),
        Shelf.of_entry(10**9),
        Shelf("type", "' OR 1=1 --"),
    ):
        assert index.rows(PROJECT, nothing, 10) == []


def test_rows_that_are_added_stand_in_their_place_and_replace_by_digest(place: Place) -> None:
    first, second = made(60), made(60, seed=1)
    index = place.open()
    index.replace(PROJECT, first)
    index.add(PROJECT, second)
    index.add(PROJECT, second[:30])
    moved = replace(first[0], entry=4999, type="moved")
    index.add(PROJECT, [moved])
    rows = [moved, *first[1:], *second]
    again = place.open()
    for shelf in all_shelves([*rows, first[0]]):
        assert again.rows(PROJECT, shelf, 1000) == on(shelf, rows)
    index.add(PROJECT, [])


def test_an_index_that_was_never_made_says_so(place: Place) -> None:
    index = place.open()
    assert index.rows(PROJECT, Shelf.of_type(TYPES[0]), 10) is None
    with pytest.raises(LedgerRefused, match="index"):
        index.add(PROJECT, made(1))
    index.replace(PROJECT, [])
    assert index.rows(PROJECT, Shelf.of_type(TYPES[0]), 10) == []


def test_projects_do_not_see_each_other(place: Place) -> None:
    index, mine, theirs = place.open(), made(9), made(9, seed=2)
    index.replace(PROJECT, mine)
    assert index.rows(OTHER, Shelf.of_type(TYPES[0]), 10) is None
    index.replace(OTHER, theirs)
    index.replace(PROJECT, mine[:3])
    assert index.rows(PROJECT, Shelf.of_type(TYPES[0]), 10) == on(Shelf.of_type(TYPES[0]), mine[:3])
    assert index.rows(OTHER, Shelf.of_type(TYPES[0]), 10) == on(Shelf.of_type(TYPES[0]), theirs)


def test_a_write_that_fails_amid_its_rows_leaves_all_as_it_was(place: Place) -> None:
    index, rows = place.open(), made(20)
    index.replace(PROJECT, rows)

    def broken() -> Iterator[Row]:
        yield from made(5, seed=3)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        index.replace(PROJECT, broken())
    again = place.open()
    for shelf in all_shelves(rows):
        assert again.rows(PROJECT, shelf, 1000) == on(shelf, rows)


def test_another_version_is_no_index_and_is_made_anew(place: Place) -> None:
    index, rows, shelf = place.open(), made(30), Shelf.of_type(TYPES[0])
    for line in place.breaking:
        index.replace(PROJECT, rows)
        place.run(line)
        with contextlib.suppress(LedgerRefused):
            assert index.rows(PROJECT, shelf, 100) is None
        index.replace(PROJECT, rows)
        assert place.open().rows(PROJECT, shelf, 100) == on(shelf, rows)


def test_what_others_change_shows_in_the_shelf(place: Place) -> None:
    index, rows, table = place.open(), sorted(made(30)), place.table
    shelf, victim = Shelf.of_type(TYPES[1]), on(Shelf.of_type(TYPES[1]), rows)[2]
    coverage = Coverage.of(PROJECT, "here", (5000, "0" * 64), rows)
    changes = [f"DELETE FROM {table} WHERE statement = '{victim.statement}'"]
    changes += [f"UPDATE {table} SET {column} = {value} WHERE statement = '{victim.statement}'" for column, value in (
        ("entry", "4998"), ("type", "'another'"), ("party", "''"), ("subject", "statement"), ("time", "'2000'"))]  # fmt: skip
    changes.append(
        f"INSERT INTO {table} SELECT project, 4999, '{'ab' * 32}', type, party, subject, time FROM {table} WHERE statement = '{victim.statement}'"
    )
    changes.append(f"UPDATE {table} SET statement = '{'cd' * 32}' WHERE statement = '{victim.statement}'")
    for change in changes if table else ():
        index.replace(PROJECT, rows)
        coverage.check(shelf, index.rows(PROJECT, shelf, 100) or [])
        place.run(change)
        with pytest.raises(LedgerRefused, match="does not hold what was entered"):
            coverage.check(shelf, place.open().rows(PROJECT, shelf, coverage.most(shelf) + 1) or [])


def test_shelves_of_entries_begin_and_end_where_they_say(place: Place) -> None:
    index = place.open()
    rows = [replace(row, entry=entry) for row, entry in zip(made(4), (0, ENTRIES - 1, ENTRIES, 2**53 - 1), strict=True)]
    index.replace(PROJECT, rows)
    assert [r.entry for r in index.rows(PROJECT, Shelf.of_entry(5), 9) or []] == [0, ENTRIES - 1]
    assert [r.entry for r in index.rows(PROJECT, Shelf.of_entry(2**53 - 1), 9) or []] == [2**53 - 1]


@pytest.mark.parametrize("fate", ["lost", "kept"])
def test_the_memory_twin_fails_on_command(fate: str) -> None:
    index = MemoryIndex()
    index.replace(PROJECT, [])
    index.fail(fate)  # type: ignore[arg-type]
    with pytest.raises(Unusable, match=fate):
        index.add(PROJECT, made(3))
    assert len(index.kept[PROJECT]) == (3 if fate == "kept" else 0)
    index.add(PROJECT, made(3))
    assert len(index.kept[PROJECT]) == 3


def test_the_file_is_private_and_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index = SqliteIndex(path)
    for junk in (b"", b"no database", os.urandom(8192), b"SQLite format 3\x00" + os.urandom(4096)):
        path.write_bytes(junk)
        with contextlib.suppress(LedgerRefused):
            assert index.rows(PROJECT, Shelf.of_type(TYPES[0]), 5) is None
        index.replace(PROJECT, made(5))
        assert len(index.rows(PROJECT, Shelf.of_type(TYPES[0]), 5) or []) == 2
    path.unlink()
    index.replace(PROJECT, made(5))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unusable):
        index.replace(PROJECT, made(5))


def test_a_flipped_byte_is_damage_or_shows_in_the_shelf(tmp_path: Path) -> None:
    path, rows = tmp_path / "index.sqlite", sorted(made(120))
    index, coverage = SqliteIndex(path), Coverage.of(PROJECT, "here", (5000, "0" * 64), rows)
    index.replace(PROJECT, rows)
    good, draw, noticed = path.read_bytes(), random.Random(5), 0
    for _ in range(150):
        data = bytearray(good)
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        for shelf in map(Shelf.of_type, TYPES):
            try:
                found = index.rows(PROJECT, shelf, coverage.most(shelf) + 1) or []
                coverage.check(shelf, found)
            except (LedgerRefused, Unusable):
                noticed += 1
            else:
                assert found == on(shelf, rows)
    assert noticed > 20


def test_a_search_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another program made: its table is a view that counts for ever."""
    from countermark.workspace import index_sqlite

    monkeypatch.setattr(index_sqlite, "MOST_STEPS", 50)
    path = tmp_path / "index.sqlite"
    _sqlite(path, f"PRAGMA user_version = {VERSION}")
    _sqlite(path, "CREATE TABLE version (project, version)")
    _sqlite(path, f"INSERT INTO version VALUES ('{PROJECT}', 1)")
    _sqlite(path, "CREATE VIEW statement AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
            f"'{PROJECT}' AS project, i AS entry, 'x' AS statement, 'x' AS type, '' AS party, '' AS subject, '' AS time FROM n")  # fmt: skip
    index = SqliteIndex(path)
    with pytest.raises(LedgerRefused, match="damaged"):
        index.rows(PROJECT, Shelf.of_type("x"), 5)
    index.replace(PROJECT, made(5))
    assert len(index.rows(PROJECT, Shelf.of_type(TYPES[0]), 5) or []) == 2


def test_a_server_that_is_away_is_told_without_its_url(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    pytest.importorskip("sqlalchemy")
    from countermark.workspace.index_postgresql import PostgresIndex

    index = PostgresIndex(f"postgresql://somebody@/postgres?host={tmp_path}")
    with pytest.raises(Unusable, match="cannot be reached"):
        index.rows(PROJECT, Shelf.of_type("x"), 1)
    assert "somebody" not in repr(index)
    for url in (
        "postgresql://u:secret@localhost/d",
        "postgresql://u@localhost/d?password=secret",
        "mysql://u@h/d",
        "no url",
    ):
        with pytest.raises(Unusable) as refused:
            PostgresIndex(url)
        assert "secret" not in str(refused.value)


def test_off_this_machine_the_server_must_prove_who_it_is() -> None:
    pytest.importorskip("sqlalchemy")
    from countermark.workspace.index_postgresql import _proves_itself, parse

    for here in ("/d", "localhost/d", "127.0.0.1/d", "[::1]:5433/d", "/d?host=/var/run/postgresql"):
        assert _proves_itself(parse(f"postgresql://u@{here}")) == {}
    for away in ("db.example/d", "10.0.0.5/d", "/d?host=localhost&host=db.example", "localhost/d?hostaddr=10.0.0.5"):
        assert _proves_itself(parse(f"postgresql://u@{away}"))["sslmode"] == "verify-full"
    assert _proves_itself(parse("postgresql://u@db.example/d?sslmode=require")) == {}
