"""An index of entered statements: where to look, never what is true. It can be made again from the statements at any time.

Whoever asks compares the answer with what `coverage` says was written, then reads the statement itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Literal, Protocol

VERSION = 1
MOST_TEXT = 512
ENTRIES = 1024
"""Ledger entries on one shelf."""


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """What the index knows of one statement.

    Attributes:
        entry: ledger entry, from 0. statement: hex SHA-256 of the payload. type: predicate type.
        party: id of its signer. subject: hex tree digest that it is about. time: RFC 3339, as its signer claims it.
    """

    entry: int
    statement: str
    type: str
    party: str
    subject: str
    time: str

    def values(self) -> tuple[int | str, ...]:
        """All fields, in the order of the columns."""
        return astuple(self)


@dataclass(frozen=True, slots=True, order=True)
class Shelf:
    """A part of the index that is always asked for as a whole, so that a row left out shows.

    Attributes:
        kind: what the rows have in common: the predicate type, the first two digits of the digest, or 1,024 entries.
        key: the type; two hex digits; or the first entry divided by 1,024, in decimal.
    """

    kind: Literal["type", "digest", "entries"]
    key: str

    @classmethod
    def of_type(cls, predicate_type: str) -> Shelf:
        """Statements of one type."""
        return cls("type", predicate_type)

    @classmethod
    def of_digest(cls, digest: str) -> Shelf:
        """Statements whose digest begins with the same two digits."""
        return cls("digest", digest[:2])

    @classmethod
    def of_entry(cls, entry: int) -> Shelf:
        """Statements entered about when `entry` was."""
        return cls("entries", str(entry // ENTRIES))


def shelves(row: Row) -> tuple[Shelf, Shelf, Shelf]:
    """The shelves that a row stands on."""
    return Shelf.of_type(row.type), Shelf.of_digest(row.statement), Shelf.of_entry(row.entry)


def bounds(shelf: Shelf) -> tuple[str] | tuple[str, str] | tuple[int, int]:
    """What the rows of a shelf lie between: from the first value, to before the second; or the one value that they have."""
    match shelf.kind:
        case "type":
            return (shelf.key,)
        case "digest":
            return shelf.key, shelf.key + "g"
        case "entries":
            return int(shelf.key) * ENTRIES, (int(shelf.key) + 1) * ENTRIES


class Index(Protocol):
    """Rows of one project, and perhaps of others that the same server keeps. Guarantees, checked by the contract tests:

    - `rows` gives a shelf in the order of entry, then digest; None where nothing of this version was ever made for the project.
    - `add` and `replace` do all or nothing, also for who is killed amid them, and are durable when they return. A row
      that is there already is replaced by its digest.
    - `replace` makes the index anew whatever stood there: another version's, a damaged file, another project's rows apart.
    - Whoever cannot reach or write it hears Unusable; whoever reads what is no index or damaged, LedgerRefused with the mend.
    """

    @property
    def place(self) -> str:
        """Where it lies, so that it is noticed when the settings name another: at most 512 characters, no password."""
        ...

    @property
    def optional(self) -> bool:
        """Whether the statements' folder may answer instead where this cannot be reached."""
        ...

    def rows(self, project: str, shelf: Shelf, most: int) -> list[Row] | None:
        """The first `most` rows of a shelf.

        Raises:
            Unusable: it cannot be reached. LedgerRefused: it is damaged.
        """
        ...

    def add(self, project: str, rows: Sequence[Row]) -> None:
        """Take up rows.

        Raises:
            Unusable: it cannot be reached or written. LedgerRefused: it is damaged, or was never made.
        """
        ...

    def replace(self, project: str, rows: Iterable[Row]) -> None:
        """Make the project's index anew, of exactly these rows.

        Raises:
            Unusable: it cannot be reached or written.
        """
        ...
