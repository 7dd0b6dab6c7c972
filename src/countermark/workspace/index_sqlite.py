"""The index in one SQLite file beside the statements: what a workspace uses unless its settings name a server."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from countermark.errors import LedgerRefused, Unusable
from countermark.workspace.index import VERSION, Row, Shelf, bounds

WAIT_SECONDS = 30.0
MOST_VALUE_BYTES = 1 << 16
STEPS_AT_ONCE, MOST_STEPS = 100_000, 20_000
_MEND = "`countermark ledger rebuild-index` makes it anew"
_TABLES = """
CREATE TABLE version (project TEXT PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE statement (
    project TEXT NOT NULL, entry INTEGER NOT NULL, statement TEXT NOT NULL, type TEXT NOT NULL, party TEXT NOT NULL,
    subject TEXT NOT NULL, time TEXT NOT NULL,
    PRIMARY KEY (project, statement)
);
CREATE INDEX by_type ON statement (project, type, entry, statement);
CREATE INDEX by_entry ON statement (project, entry, statement);
"""
_COLUMNS = "entry, statement, type, party, subject, time"
_WHERE = {"type": "type = ?", "digest": "statement >= ? AND statement < ?", "entries": "entry >= ? AND entry < ?"}


class SqliteIndex:
    """`Index` in a file of mode 0600. Each call opens it anew, so that processes may share it."""

    optional = True
    place = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, project: str, shelf: Shelf, most: int) -> list[Row] | None:
        """As `Index.rows`."""
        if not self._path.exists():
            return None
        with self._open() as connection:
            if not _made(connection, project):
                return None
            asked = f"SELECT {_COLUMNS} FROM statement WHERE project = ? AND {_WHERE[shelf.kind]} ORDER BY entry, statement LIMIT ?"  # noqa: S608
            return [Row(*values) for values in connection.execute(asked, (project, *bounds(shelf), most))]

    def add(self, project: str, rows: Sequence[Row]) -> None:
        """As `Index.add`."""
        if not self._path.exists():
            raise _damaged(self._path, "there is none")
        with self._open() as connection:
            if not _made(connection, project):
                raise _damaged(self._path, "another version of Countermark made it")
            with _all_or_nothing(connection):
                _insert(connection, project, rows)

    def replace(self, project: str, rows: Iterable[Row]) -> None:
        """As `Index.replace`."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        except OSError as error:
            raise _unusable(self._path, error.strerror or str(error)) from error
        try:
            self._filled(project, rows)
        except LedgerRefused:  # what stood there is no index, or a damaged one
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            self._path.with_name(self._path.name + "-journal").unlink(missing_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            self._filled(project, rows)

    def _filled(self, project: str, rows: Iterable[Row]) -> None:
        with self._open() as connection, _all_or_nothing(connection):
            if not _current(connection):
                _drop(connection)
                for line in _TABLES.split(";"):
                    connection.execute(line)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("DELETE FROM statement WHERE project = ?", (project,))
            connection.execute("INSERT OR REPLACE INTO version VALUES (?, ?)", (project, VERSION))
            _insert(connection, project, rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection that believes nothing of the file: no code in its schema, no value or search without end."""
        with _told(self._path):
            connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None)
            try:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_VALUE_BYTES)
                connection.set_progress_handler(_patience(), STEPS_AT_ONCE)
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
            finally:
                connection.close()


def _patience() -> Callable[[], int]:
    steps = iter(range(MOST_STEPS))
    return lambda: 0 if next(steps, None) is not None else 1


def _current(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == VERSION)


def _made(connection: sqlite3.Connection, project: str) -> bool:
    if not _current(connection):
        return False
    return connection.execute("SELECT 1 FROM version WHERE project = ?", (project,)).fetchone() is not None


def _drop(connection: sqlite3.Connection) -> None:
    """Remove whatever another version left."""
    kinds = (
        "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    for kind, name in connection.execute(kinds).fetchall():
        quoted = str(name).replace('"', '""')
        connection.execute(f'DROP {kind} "{quoted}"')


def _insert(connection: sqlite3.Connection, project: str, rows: Iterable[Row]) -> None:
    line = f"INSERT OR REPLACE INTO statement (project, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    connection.executemany(line, ((project, *row.values()) for row in rows))


@contextlib.contextmanager
def _all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of the library as ours: what cannot be reached or written, and what is damaged."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "SQLITE_ERROR").startswith(
            ("SQLITE_ERROR", "SQLITE_INTERRUPT", "SQLITE_CORRUPT")
        ):
            raise _damaged(path, str(error)) from error
        raise _unusable(path, str(error)) from error
    except (sqlite3.Error, OverflowError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> LedgerRefused:
    return LedgerRefused(f"{path.name} is no index of this version, or damaged", why=why, mend=_MEND)


def _unusable(path: Path, why: str) -> Unusable:
    return Unusable(f"the index {path} cannot be used", why=why, mend="check the path and permissions")
