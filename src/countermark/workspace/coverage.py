"""What was written to the index, kept beside the statements: how far it goes, and a digest of every shelf.

The index may lie on a server that others can write to. A row that was removed, added or changed there gives its shelf
another digest, so that it is noticed before anybody relies on the answer. Bytes in, values or exceptions out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import LedgerRefused, StatementRefused
from countermark.workspace.index import MOST_TEXT, VERSION, Row, Shelf, shelves

MEND = "`countermark ledger rebuild-index`, and find out who else can write to the index"
_NOTHING = hashlib.sha256(b"countermark/index-shelf/v1\0").hexdigest()


@dataclass(frozen=True, slots=True)
class Sum:
    """What is on a shelf: how many rows, the place of the last (entry, digest), and a digest over all of them in order."""

    count: int = 0
    entry: int = -1
    statement: str = ""
    digest: str = _NOTHING

    def then(self, row: Row) -> Sum:
        """With one more row at the end."""
        said = json.dumps([str(v) for v in row.values()], ensure_ascii=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(bytes.fromhex(self.digest) + said).hexdigest()
        return Sum(self.count + 1, row.entry, row.statement, digest)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the index of a project goes.

    Attributes:
        project: fingerprint. place: of the index. size, root: head of the ledger that it was brought up to. rows: how many, of which `entries`
            have an entry of their own below `size`. shelves: all that hold anything. files: SHA-256 over the names of the
            statements' files as they were last looked through.
    """

    project: str
    place: str
    size: int
    root: str
    rows: int = 0
    entries: int = 0
    files: str = _NOTHING
    shelves: dict[Shelf, Sum] = field(default_factory=dict)

    @classmethod
    def of(
        cls, project: str, place: str, head: tuple[int, str], rows: Sequence[Row], files: str = _NOTHING
    ) -> Coverage:
        """Of rows in the order of entry, then digest."""
        own = {row.entry for row in rows if row.entry < head[0]}
        return replace(cls(project, place, *head)._with(rows), entries=len(own), files=files)

    @property
    def whole(self) -> bool:
        """Whether every entry of the ledger is here: then nothing can come to light that was entered before."""
        return self.entries == self.size

    def reaches(self, head: tuple[int, str]) -> bool:
        """Whether it goes up to this very head of the ledger."""
        return (self.size, self.root) == head

    def extended(self, head: tuple[int, str], rows: Sequence[Row]) -> Coverage | None:
        """With the rows that a newer head brought; None where they are not just the new entries of a ledger all known."""
        entries = sorted(row.entry for row in rows)
        if not self.whole or self.rows > self.entries or entries != list(range(self.size, head[0])):
            return None
        out = replace(self, size=head[0], root=head[1], entries=self.entries + len(rows), files=_NOTHING)
        return out._with(sorted(rows))

    def _with(self, rows: Iterable[Row]) -> Coverage:
        sums, count = dict(self.shelves), self.rows
        for row in rows:
            count += 1
            for shelf in shelves(row):
                sums[shelf] = sums.get(shelf, Sum()).then(row)
        return replace(self, rows=count, shelves=sums)

    def most(self, shelf: Shelf) -> int:
        """How many rows the shelf holds."""
        return self.shelves.get(shelf, Sum()).count

    def check(self, shelf: Shelf, rows: Sequence[Row]) -> None:
        """The rows must be those that were written to the shelf.

        Raises:
            LedgerRefused: others, fewer or more.
        """
        seen = Sum()
        for row in rows:
            seen = seen.then(row)
        if seen != self.shelves.get(shelf, Sum()):
            raise LedgerRefused(
                f"the index does not hold what was entered here ({shelf.kind} {shelf.key:.120})",
                why=f"{self.most(shelf)} rows were written; {seen.count} were found, or they were changed",
                mend=MEND,
            )

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        said = [[s.kind, s.key, v.count, v.entry, v.statement, v.digest] for s, v in sorted(self.shelves.items())]
        return canonical.to_bytes(
            {"format": VERSION, "project": self.project, "place": self.place, "size": self.size, "root": self.root, "rows": self.rows,
             "entries": self.entries, "files": self.files, "shelves": said}
        )  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> Coverage | None:
        """Parse strictly; None where another version wrote it.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="index coverage"), "index coverage")
        if fields.integer("format") != VERSION:
            return None
        out = cls(
            fields.hex("project"), fields.text("place", most=MOST_TEXT), fields.integer("size"), fields.hex("root"), fields.integer("rows"),
            fields.integer("entries"), fields.hex("files"), dict(_shelf(value) for value in fields.items("shelves")),
        )  # fmt: skip
        fields.done()
        return out


def _shelf(value: object) -> tuple[Shelf, Sum]:
    match value:
        case ["type" | "digest" | "entries" as kind, str(key), *numbers] if len(key) <= MOST_TEXT and len(numbers) == 4:
            fields = Fields(dict(zip(("count", "entry", "statement", "digest"), numbers, strict=True)), "index shelf")
            return Shelf(kind, key), Sum(
                fields.integer("count", least=1), fields.integer("entry"), fields.hex("statement"), fields.hex("digest")
            )
    raise StatementRefused("index coverage: a shelf is malformed")
