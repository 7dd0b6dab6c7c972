"""Tables of a FlatBuffer, read by field number; every offset must lie inside the file.

Source: FlatBuffers, "Internals".
"""

from __future__ import annotations

from dataclasses import dataclass

from countermark.formats.limits import Malformed, OverLimit
from countermark.formats.source import Buffered

_MOST_ITEMS = 1 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a file."""

    file: Buffered
    at: int

    def place(self, field: int) -> int:
        """Where a field's value lies; 0 where the table leaves it out."""
        back = int.from_bytes(self.file.read(self.at, 4), "little", signed=True)
        shape = self.at - back
        size = number(self.file, shape, 2)
        if size < 4 or size % 2:
            raise Malformed("flatbuffer-table", f"a table's shape of {size} bytes", offset=max(0, shape))
        entry = 4 + 2 * field
        offset = number(self.file, shape + entry, 2) if entry + 2 <= size else 0
        return self.at + offset if offset else 0

    def scalar(self, field: int, width: int) -> int:
        """An unsigned number, 0 where it is left out."""
        place = self.place(field)
        return number(self.file, place, width) if place else 0

    def text(self, field: int) -> str:
        """A text, empty where it is left out.

        Raises:
            Malformed: not inside the file, longer than 64 KiB, or not UTF-8.
        """
        place = self.place(field)
        if not place:
            return ""
        begin = place + number(self.file, place, 4)
        size = number(self.file, begin, 4)
        if size > 1 << 16:
            raise Malformed("flatbuffer-text", f"a text of {size} bytes", offset=begin)
        try:
            return self.file.read(begin + 4, size).decode()
        except UnicodeDecodeError as error:
            raise Malformed("flatbuffer-text", "a text that is not UTF-8", offset=begin) from error

    def tables(self, field: int) -> list[Table]:
        """A list of tables, empty where it is left out.

        Raises:
            OverLimit: more than a million. Malformed: not inside the file.
        """
        begin, count = self.items(field, 4)
        if count > _MOST_ITEMS:
            raise OverLimit("tables", count, _MOST_ITEMS, offset=begin)
        places = range(begin, begin + 4 * count, 4)
        return [Table(self.file, place + number(self.file, place, 4)) for place in places]

    def items(self, field: int, width: int) -> tuple[int, int]:
        """Where the items of a list begin, and how many there are; all of them inside the file."""
        place = self.place(field)
        if not place:
            return 0, 0
        begin = place + number(self.file, place, 4)
        count = number(self.file, begin, 4)
        if begin + 4 + count * width > self.file.size:
            raise Malformed("flatbuffer-list", f"{count} items at byte {begin} of {self.file.size}", offset=begin)
        return begin + 4, count


def root(file: Buffered) -> Table:
    """The outermost table."""
    return Table(file, number(file, 0, 4))


def number(file: Buffered, at: int, width: int) -> int:
    """An unsigned number; `Malformed` where it is not inside the file."""
    return int.from_bytes(file.read(at, width), "little")
