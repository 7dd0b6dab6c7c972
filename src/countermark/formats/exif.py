"""EXIF: tags of a TIFF structure, read with bounds and without decoding a picture.

Source: CIPA DC-008 (EXIF 3.0), sections 4.5 and 4.6; TIFF 6.0, section 2. Directories may point anywhere, so each is read
once, all together have a bounded number of entries, and of every value only the first bytes are kept.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from countermark.formats._picture import take
from countermark.formats.limits import Malformed, OverLimit

MOST_ENTRIES = 4096
KEPT_BYTES = 256
ORIENTATION = 0x0112
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_POINTERS = {0x8769: "exif", 0xA005: "interoperability", 0x8825: "gps"}


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry.

    Attributes:
        directory: ``image``, ``thumbnail``, ``exif``, ``gps``, ``interoperability`` or ``other``. number: of the tag.
        offset: byte of the entry in the TIFF structure. size: bytes of the value. value: at most the first 256 of them.
    """

    directory: str
    number: int
    offset: int
    size: int
    value: bytes

    @property
    def empty(self) -> bool:
        """Whether the value says nothing: blanks and zeros, or their ASCII."""
        return not self.value.strip(b"\0 0")


@dataclass(frozen=True, slots=True)
class Exif:
    """Tags in the order in which they are reached, and the orientation, 1 to 8 (1 where none or none valid is given)."""

    tags: tuple[Tag, ...]
    orientation: int


def read(data: bytes) -> Exif:
    """Read a TIFF structure; a leading ``Exif`` header is passed over.

    Raises:
        Malformed: no TIFF header, a directory or a value outside, a directory reached twice. OverLimit: too many entries.
    """
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise Malformed("exif-header", f"the TIFF header is {data[:4].hex() or 'absent'}", offset=0)
    reader = _Reader(data, order)
    reader.walk()
    return Exif(tuple(reader.tags), reader.orientation)


class _Reader:
    def __init__(self, data: bytes, order: str) -> None:
        self._data, self._order = data, order
        self.tags: list[Tag] = []
        self.orientation = 1

    def walk(self) -> None:
        """Read directory after directory; none twice."""
        seen: set[int] = set()
        waiting = [("image", self._number(4, 4))]
        while waiting:
            name, offset = waiting.pop(0)
            if offset == 0:
                continue
            if offset in seen:
                raise Malformed("exif-loop", f"directory {name} is reached twice", offset=offset)
            seen.add(offset)
            waiting += self._directory(name, offset)

    def _directory(self, name: str, offset: int) -> list[tuple[str, int]]:
        count = self._number(offset, 2)
        if len(self.tags) + count > MOST_ENTRIES:
            raise OverLimit("exif_entries", len(self.tags) + count, MOST_ENTRIES, offset=offset)
        beyond: list[tuple[str, int]] = []
        for at in range(offset + 2, offset + 2 + 12 * count, 12):
            tag = self._entry(name, at)
            self.tags.append(tag)
            if tag.number in _POINTERS and tag.size == 4:
                beyond.append((_POINTERS[tag.number], self._number(at + 8, 4)))
        chained = offset + 2 + 12 * count
        if name in ("image", "thumbnail", "other") and chained + 4 <= len(self._data):
            beyond.append(("thumbnail" if name == "image" else "other", self._number(chained, 4)))
        return beyond

    def _entry(self, name: str, at: int) -> Tag:
        number, kind, count = struct.unpack(self._order + "HHI", take(self._data, at, 8, "a directory entry"))
        size = _WIDTHS.get(kind, 1) * count
        start = at + 8 if size <= 4 else self._number(at + 8, 4)
        if start + size > len(self._data):
            raise Malformed("exif-value", f"the value of tag {number:#06x} lies outside", offset=at)
        value = self._data[start : start + min(size, KEPT_BYTES)]
        if name == "image" and number == ORIENTATION and kind == 3 and count == 1:
            given = self._number(at + 8, 2)
            self.orientation = given if 1 <= given <= 8 else 1
        return Tag(name, number, at, size, value)

    def _number(self, offset: int, width: int) -> int:
        return int.from_bytes(take(self._data, offset, width, "a number"), "little" if self._order == "<" else "big")


def only_orientation(orientation: int) -> bytes:
    """The smallest TIFF structure that holds nothing but an orientation, 1 to 8."""
    entry = struct.pack(">HHIHH", ORIENTATION, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
