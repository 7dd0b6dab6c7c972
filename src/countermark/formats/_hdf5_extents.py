"""Which bytes of a file belong to something, and that none belongs to two things."""

from __future__ import annotations

from countermark.formats.limits import Malformed, OverLimit
from countermark.sandbox.task import Source

_PIECE = 1 << 20


class Extents:
    """Ranges that were claimed by what was read."""

    def __init__(self, source: Source, most: int) -> None:
        """Begin with nothing claimed; `most` ranges are kept."""
        self._source, self._most = source, most
        self._ranges: list[tuple[int, int]] = []

    def claim(self, at: int, size: int, what: str) -> None:
        """Say that bytes belong to something.

        Raises:
            Malformed: they are not all in the file. OverLimit: very many ranges.
        """
        if at + size > self._source.size:
            raise Malformed("hdf5-outside", f"{what}: {size} bytes at {at} of {self._source.size}", offset=at)
        if len(self._ranges) >= self._most:
            raise OverLimit("ranges", len(self._ranges) + 1, self._most, offset=at)
        if size:
            self._ranges.append((at, at + size))

    def settle(self) -> tuple[int, int, int | None]:
        """What is left when all was read.

        Returns:
            bytes that belong to nothing, how many of them are not zero, the first such byte.

        Raises:
            Malformed: two things share a byte.
        """
        at = free = filled = 0
        first = None
        for begin, end in [*sorted(self._ranges), (self._source.size, self._source.size)]:
            if begin < at:
                raise Malformed("hdf5-overlap", f"two objects share byte {begin}", offset=begin, why="readers disagree")
            free += begin - at
            for place in range(at, begin, _PIECE):
                piece = self._source.read(place, min(_PIECE, begin - place))
                kept = len(piece) - piece.count(0)
                first = place + len(piece) - len(piece.lstrip(b"\0")) if kept and first is None else first
                filled += kept
            at = end
        return free, filled, first
