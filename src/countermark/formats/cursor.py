"""Little-endian numbers one after another, read from a place that moves on."""

from __future__ import annotations

from countermark.formats.limits import Malformed
from countermark.formats.source import Buffered
from countermark.sandbox.task import Source


class Cursor:
    """Reads forward through part of a file; nothing is read or skipped beyond its end.

    Attributes:
        at: byte that comes next. end: first byte that is not the part's.
    """

    def __init__(self, source: Source, at: int = 0, end: int | None = None) -> None:
        self._file = source if isinstance(source, Buffered) else Buffered(source)
        self.at, self.end = at, self._file.size if end is None else end

    @property
    def left(self) -> int:
        """Bytes up to the end."""
        return self.end - self.at

    def take(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            Malformed: fewer are left.
        """
        self.skip(count)
        return self._file.read(self.at - count, count)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes, 0 or more.

        Raises:
            Malformed: fewer are left.
        """
        if count > self.end - self.at:
            raise Malformed("truncated", f"{count} bytes where {self.end - self.at} are left", offset=self.at)
        self.at += count

    def number(self, width: int) -> int:
        """An unsigned number of `width` bytes."""
        return int.from_bytes(self.take(width), "little")
