"""Second meanings: a file that one reader takes for numbers and another one for an archive or a program.

Zip readers look for their end record from the back and allow anything before the archive, so that any
file may end as one; readers of tar archives take any first block that has its checksum.
Source: PKWARE APPNOTE 6.3.10, section 4.3.16; POSIX.1-2017, pax, "ustar Interchange Format".
"""

from __future__ import annotations

from countermark.sandbox.task import Source

END_BYTES = 22
_TAIL = END_BYTES + 0xFFFF


def ends_as_zip(source: Source) -> int | None:
    """Byte of a zip end record that a reader would accept, or None.

    Such a record has at least one entry and a directory before it. Whether its comment ends the file is not asked:
    Python's `zipfile` takes the last record within 64 KiB, whatever follows it.
    """
    start = max(0, source.size - _TAIL)
    tail = source.read(start, source.size - start)
    at = len(tail)
    while (at := tail.rfind(b"PK\x05\x06", 0, at)) >= 0:
        end = tail[at : at + END_BYTES]
        if len(end) == END_BYTES and _accepted(source, end, start + at):
            return start + at
    return None


def begins_as_tar(head: bytes) -> bool:
    """True where a reader of tar archives would accept the first block: many ask for nothing but its checksum.

    Args:
        head: the first bytes of the file, 512 at least where it has them.
    """
    block, field = head[:512], head[148:156].partition(b"\0")[0].strip()
    if len(block) < 512 or not field.isdigit() or set(field) & set(b"89"):
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    return int(field, 8) in (sum(rest), sum(byte - (byte >> 7 << 8) for byte in rest))


def _accepted(source: Source, end: bytes, at: int) -> bool:
    entries, size = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if not entries or size > at:
        return False
    # With zip64 the directory's size is elsewhere; its locator then stands right before.
    locator = at >= 20 and source.read(at - 20, 4) == b"PK\x06\x07"
    return locator or (size >= 46 and source.read(at - size, 4) == b"PK\x01\x02")
