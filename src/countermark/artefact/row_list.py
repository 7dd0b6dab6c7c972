"""Lists of rows: id and digest of each, in the order of the ids, and one root that binds them all (`cm-rows/v1`).

Built by sorting on disk and read a line at a time: ten million rows take no more memory than ten thousand. Format:
docs/reference/formats/rows.md.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import IO, Any

from countermark import canonical, merkle
from countermark.artefact.rows import Row, check_id
from countermark.artefact.spill import Sorter
from countermark.canonical import Fields
from countermark.errors import FormatRefused, StatementRefused, TreeRefused
from countermark.merkle import Hashing

SUFFIX = ".cmrows"
FORMAT = 1
MOST_ROWS = 50_000_000
MAX_LINE_BYTES = 8192
RUN = 1 << 17
ROWS = Hashing(b"\x30", b"\x31", merkle.RFC6962.new)
_DOMAIN = b"cm-rows/v1\0"
_LENGTH, _COUNT = struct.Struct(">I"), struct.Struct(">Q")
_HEX = re.compile("[0-9a-f]{64}")
_PLAIN = re.compile(rb'\["([ !#-\[\]-~]{1,512})","([0-9a-f]{64})"\]\n')


@dataclass(frozen=True, slots=True)
class Heading:
    """What a list comes to: its root in hex, the number of rows, and the column that names them (None: their place)."""

    root: str
    rows: int
    id: str | None

    def line(self) -> bytes:
        """First line of a list file, RFC 8785."""
        told: dict[str, Any] = {"format": FORMAT, "id": self.id, "root": self.root, "rows": self.rows}
        return canonical.to_bytes(told) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Heading:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, or another format.
        """
        fields = Fields(
            canonical.object_from_bytes(line, what="list of rows", max_bytes=MAX_LINE_BYTES), "list of rows"
        )
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a list of rows in another format", mend="use a newer Countermark")
        out = cls(fields.hex("root"), fields.integer("rows"), fields.optional_text("id"))
        fields.done()
        return out


def root(rows: Iterable[Row]) -> tuple[str, int]:
    """The root over rows in the order of their ids, in hex, and their number.

    Raises:
        StatementRefused: out of order. FormatRefused: an id twice, no rows, or too many.
    """
    tally = _Tally()
    return tally.root(merkle.root(tally.leaves(rows), ROWS)), tally.count


class _Tally:
    """Counts rows on their way into the tree, and refuses those out of order."""

    def __init__(self) -> None:
        self.count = 0

    def leaves(self, rows: Iterable[Row]) -> Iterator[bytes]:
        last, new, prefix, pack = "", ROWS.new, ROWS.leaf_prefix, _LENGTH.pack
        for row_id, digest in rows:
            if row_id <= last:
                _refuse_order(last, row_id)
            last = row_id
            self.count += 1
            if self.count > MOST_ROWS:
                raise FormatRefused(f"there are more than {MOST_ROWS} rows here")
            name = row_id.encode()
            yield new(prefix + pack(len(name)) + name + digest).digest()

    def root(self, tree: bytes) -> str:
        if not self.count:
            raise FormatRefused("there are no rows here", why="an empty list says nothing")
        return ROWS.new(_DOMAIN + _COUNT.pack(self.count) + tree).digest().hex()


def _refuse_order(last: str, row_id: str) -> None:
    if row_id == last:
        raise FormatRefused(f"two rows have the id {row_id!r:.120}", why="it would be open which of them is meant",
                            mend="--id names a column whose values differ")  # fmt: skip
    raise StatementRefused(
        f"row {row_id!r:.120} stands after {last!r:.120}", why="a list is sorted by the bytes of its ids"
    )


def write(rows: Iterable[Row], out: IO[bytes], id_column: str | None = None) -> Heading:
    """Sort rows and write their lines, without the heading, which is known only then.

    Args:
        rows: in any order. out: takes the lines.

    Raises:
        FormatRefused: an id twice, no rows, or too many. Unusable: no room to sort.
    """
    sorter = Sorter(RUN)
    for count, (row_id, digest) in enumerate(rows, 1):
        if count > MOST_ROWS:
            raise FormatRefused(f"there are more than {MOST_ROWS} rows here")
        sorter.add(f"{row_id}\t{digest.hex()}")  # a tab sorts before everything that an id may hold
    found, count = root(_written(sorter.merged(), out))
    return Heading(found, count, id_column)


def _written(lines: Iterator[str], out: IO[bytes]) -> Iterator[Row]:
    while some := list(itertools.islice(lines, 4096)):
        pairs = [line.split("\t") for line in some]
        yield from (Row(row_id, bytes.fromhex(digest)) for row_id, digest in pairs)
        out.write("".join(_line(row_id, digest) for row_id, digest in pairs).encode())


def _line(row_id: str, digest: str) -> str:
    return f'[{encode_basestring(row_id)},"{digest}"]\n'


def lines(listing: IO[bytes]) -> Iterator[Row]:
    """Rows of a list, from where `listing` stands, one bounded line at a time.

    Raises:
        StatementRefused, FormatRefused: a malformed line.
    """
    return map(parse_line, iter(lambda: listing.readline(MAX_LINE_BYTES + 1), b""))


def check(listing: IO[bytes]) -> Heading:
    """Read a list file from its beginning and leave it standing at its first row.

    Raises:
        TreeRefused: its rows are not those that its heading names. StatementRefused, FormatRefused: malformed.
    """
    heading = Heading.from_line(listing.readline(MAX_LINE_BYTES + 1))
    begin = listing.tell()
    found, count = root(lines(listing))
    if (found, count) != (heading.root, heading.rows):
        raise TreeRefused(
            "the rows of this list are not those that it names",
            why=f"named: {heading.rows} rows, root {heading.root}; seen: {count} rows, root {found}",
        )
    listing.seek(begin)
    return heading


def parse_line(line: bytes) -> Row:
    """One line of a list.

    Raises:
        StatementRefused, FormatRefused: it is not the canonical form of ``[id, digest]``.
    """
    if hit := _PLAIN.fullmatch(line):
        return Row(hit[1].decode(), bytes.fromhex(hit[2].decode()))
    value = canonical.from_bytes(line, what="line of a list of rows", max_bytes=MAX_LINE_BYTES)
    match value:
        case [str(row_id), str(digest)] if _HEX.fullmatch(digest) and _line(row_id, digest).encode() == line:
            check_id(row_id)
            return Row(row_id, bytes.fromhex(digest))
    raise StatementRefused("a line of a list of rows is not [id, digest]", why=f"seen: {line!r:.120}")
