"""Second meanings: a file that one reader takes for numbers and another one for an archive or a program.

Zip readers look for their end record from the back and allow anything before the archive, so that any
file may end as one. Source: PKWARE APPNOTE 6.3.10, section 4.3.16.
"""

from __future__ import annotations

from countermark.sandbox.task import Source

_END_BYTES = 22
_TAIL = _END_BYTES + 0xFFFF


def ends_as_zip(source: Source) -> int | None:
    """Byte of a zip end record that a reader would accept, or None.

    Such a record has at least one entry, a comment that ends the file, and a directory before it.
    """
    start = max(0, source.size - _TAIL)
    tail = source.read(start, source.size - start)
    at = len(tail)
    while (at := tail.rfind(b"PK\x05\x06", 0, at)) >= 0:
        end = tail[at : at + _END_BYTES]
        if len(end) == _END_BYTES and _accepted(source, end, start + at):
            return start + at
    return None


def _accepted(source: Source, end: bytes, at: int) -> bool:
    entries, size = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    comment = int.from_bytes(end[20:22], "little")
    if not entries or at + _END_BYTES + comment != source.size or size > at:
        return False
    # With zip64 the directory's size is elsewhere; its locator then stands right before.
    locator = at >= 20 and source.read(at - 20, 4) == b"PK\x06\x07"
    return locator or (size >= 46 and source.read(at - size, 4) == b"PK\x01\x02")
