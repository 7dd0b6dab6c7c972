"""The index on a PostgreSQL server that a team shares: named by URL in the settings, by `[team]` libraries.

Passwords come the way libpq takes them (a password file, a service file, PGPASSWORD), never from the URL. Off this
machine the server must prove who it is, unless the URL says otherwise itself.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from countermark.errors import LedgerRefused, MissingExtra, Unusable
from countermark.workspace.index import MOST_TEXT, VERSION, Row, Shelf, bounds

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table
    from sqlalchemy.engine import URL

SCHEMES = ("postgresql", "postgres")
CONNECT_SECONDS, ANSWER_MILLISECONDS = 10, 60_000
AT_ONCE = 5_000
NO_SUCH_TABLE = ("42P01", "42703")  # undefined table, undefined column
LOCK = 0x636D_6978  # one writer of tables at a time, whichever project it is of


def parse(url: str) -> URL:
    """The URL of a server, which names no password.

    Raises:
        Unusable: another scheme, malformed, or a password stands in it. MissingExtra: the libraries are absent.
    """
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        raise MissingExtra(
            "an index on a server needs the team extra", mend="pip install 'countermark[team]'"
        ) from error
    try:
        out = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise Unusable("the index's URL cannot be read", mend="postgresql://USER@HOST/DATABASE") from error
    if out.drivername not in SCHEMES:
        raise Unusable(f"an index at {out.drivername!r:.40} is not known", mend="postgresql://USER@HOST/DATABASE")
    if out.password is not None or {"password", "passfile", "sslpassword"} & set(out.query):
        raise Unusable(
            "the index's URL holds a password", why="settings are read by many", mend="use ~/.pgpass or a service file"
        )
    return out.set(drivername="postgresql+psycopg")


def _proves_itself(url: URL) -> dict[str, str]:
    """How the server must prove itself: a socket or loopback address need not, others by a certificate for their name."""
    hosts = [h for h in (url.host, *_texts(url.query.get("host")), *_texts(url.query.get("hostaddr"))) if h]
    if "sslmode" in url.query or all(_here(host) for host in hosts):
        return {}
    return (
        {"sslmode": "verify-full", "sslrootcert": "system"}
        if "sslrootcert" not in url.query
        else {"sslmode": "verify-full"}
    )


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value or ()


def _here(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class PostgresIndex:
    """`Index` in two tables of a PostgreSQL database, which are made where they are missing. Threads may share it."""

    optional = False

    def __init__(self, url: str) -> None:
        self._url = parse(url)
        self._engine: Engine | None = None
        self.place = self._url.render_as_string()[:MOST_TEXT]

    def __repr__(self) -> str:
        return f"PostgresIndex({self._url.host or 'local'}/{self._url.database})"

    def rows(self, project: str, shelf: Shelf, most: int) -> list[Row] | None:
        """As `Index.rows`."""
        from sqlalchemy import select

        with self._begin() as connection:
            if not self._made(connection, project):
                return None
            table = _tables()[1].c
            asked = select(*list(table)[1:]).where(table.project == project, *_on(table, shelf))
            answer = connection.execute(asked.order_by(table.entry, table.statement).limit(most))
            return [Row(*values) for values in answer]

    def add(self, project: str, rows: Sequence[Row]) -> None:
        """As `Index.add`."""
        with self._begin() as connection:
            if not self._made(connection, project):
                raise LedgerRefused(f"{self!r} is no index of this version", mend="`countermark ledger rebuild-index`")
            _insert(connection, project, rows)

    def replace(self, project: str, rows: Iterable[Row]) -> None:
        """As `Index.replace`."""
        from sqlalchemy import delete, func, select

        with self._begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
            metadata, statement, version = _tables()
            if not _current(connection):
                metadata.drop_all(connection)
                metadata.create_all(connection)
            connection.execute(delete(statement).where(statement.c.project == project))
            connection.execute(delete(version).where(version.c.project == project))
            connection.execute(version.insert().values(project=project, version=VERSION))
            _insert(connection, project, rows)

    def _made(self, connection: Connection, project: str) -> bool:
        from sqlalchemy import exc, select

        version = _tables()[2].c
        try:
            found = connection.execute(select(version.version).where(version.project == project)).first()
        except exc.ProgrammingError as error:
            if getattr(error.orig, "sqlstate", "") in NO_SUCH_TABLE:
                return False
            raise
        return found is not None and found[0] == VERSION

    @contextlib.contextmanager
    def _begin(self) -> Iterator[Connection]:
        """One transaction; errors of the library as ours, without the URL's parts in them."""
        from sqlalchemy import exc

        try:
            with self._connected().begin() as connection:
                yield connection
        except exc.OperationalError as error:
            raise Unusable(
                f"{self!r} cannot be reached", why=_why(error), mend="start it, or mend `index` in the settings"
            ) from error
        except exc.SQLAlchemyError as error:
            raise LedgerRefused(
                f"{self!r} is no index, or damaged", why=_why(error), mend="`countermark ledger rebuild-index`"
            ) from error

    def _connected(self) -> Engine:
        from sqlalchemy import create_engine, pool

        if self._engine is None:
            options = {
                "connect_timeout": str(CONNECT_SECONDS),
                "options": f"-c statement_timeout={ANSWER_MILLISECONDS}",
            }
            options |= _proves_itself(self._url)
            try:
                # A connection for each question: nothing is left open by who ends, forks, or is killed.
                self._engine = create_engine(self._url, connect_args=options, poolclass=pool.NullPool)
            except ImportError as error:
                raise MissingExtra(
                    "an index on a server needs the team extra", mend="pip install 'countermark[team]'"
                ) from error
        return self._engine


def _why(error: Exception) -> str:
    """The server's first line."""
    return str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0][:200]


def _tables() -> tuple[MetaData, Table, Table]:
    """The statements' table and the versions', as this version has them."""
    from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

    def text(name: str, most: int, **options: Any) -> Column[str]:
        return Column(name, String(most, collation="C"), nullable=False, **options)

    metadata = MetaData()
    statement = Table(
        "countermark_statement", metadata, text("project", 64, primary_key=True), Column("entry", BigInteger, nullable=False),
        text("statement", 64, primary_key=True), text("type", MOST_TEXT), text("party", MOST_TEXT), text("subject", 64),
        text("time", 40),
    )  # fmt: skip
    Index("countermark_by_type", statement.c.project, statement.c.type, statement.c.entry, statement.c.statement)
    Index("countermark_by_entry", statement.c.project, statement.c.entry, statement.c.statement)
    version = Table(
        "countermark_index", metadata, Column("project", Text, primary_key=True), Column("version", Integer)
    )
    return metadata, statement, version


def _current(connection: Connection) -> bool:
    """Whether all that the database keeps for Countermark is of this version."""
    from sqlalchemy import func, inspect, select

    _, statement, version = _tables()
    seen = inspect(connection)
    if not all(seen.has_table(table.name) for table in (statement, version)):
        return False
    found = connection.execute(select(func.min(version.c.version), func.max(version.c.version))).one()
    return tuple(found) in ((VERSION, VERSION), (None, None)) and {
        c["name"] for c in seen.get_columns(statement.name)
    } == set(statement.c.keys())


def _on(table: Any, shelf: Shelf) -> list[Any]:
    limits = bounds(shelf)
    column = {"type": table.type, "digest": table.statement, "entries": table.entry}[shelf.kind]
    return [column == limits[0]] if len(limits) == 1 else [column >= limits[0], column < limits[1]]


def _insert(connection: Connection, project: str, rows: Iterable[Row]) -> None:
    from sqlalchemy.dialects.postgresql import insert

    statement, waiting = _tables()[1], iter(rows)
    names = [c.name for c in statement.c][1:]
    while some := list(islice(waiting, AT_ONCE)):
        line = insert(statement)
        line = line.on_conflict_do_update(
            index_elements=["project", "statement"], set_={n: line.excluded[n] for n in names if n != "statement"}
        )
        connection.execute(line, [{"project": project, **dict(zip(names, row.values(), strict=True))} for row in some])
