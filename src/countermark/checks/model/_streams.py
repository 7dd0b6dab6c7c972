"""Pickles one after another, and members of archives that hold some."""

from __future__ import annotations

from collections.abc import Callable

from countermark.formats import zipped
from countermark.formats.limits import OverLimit
from countermark.formats.pickle.machine import Judge, Machine, wrong
from countermark.formats.pickle.run import follow
from countermark.formats.source import Memory, Slice
from countermark.sandbox.task import Source

MOST_PICKLE = 64 << 20
MOST_STREAMS = 1 << 16
_BEGINNINGS = frozenset(bytes([code]) for code in b"\x80(c]})NIKX\x8c")
"""First bytes that a pickler writes."""


def plain(source: Source, judge: Judge, at: int = 0, opened: Callable[[Source, Judge], Machine] = Machine) -> int:
    """Pickles one after another up to the end of the file: a loader reads the first one, or goes on; all of them are judged.

    Args:
        opened: makes the machine of each. Returns how many there are.

    Raises:
        Malformed: one does not hold, or what follows is none. OverLimit: very many.
    """
    count = 0
    while True:
        at = follow(opened(source, judge), at)
        count += 1
        if at == source.size:
            return count
        if count == MOST_STREAMS:
            raise OverLimit("pickles", count + 1, MOST_STREAMS, offset=at)
        if source.read(at, 1) not in _BEGINNINGS:
            ends(at, source)


def ends(at: int, source: Source) -> None:
    """That a file ends here.

    Raises:
        Malformed: it does not.
    """
    if at != source.size:
        raise wrong("tail", f"{source.size - at} bytes after the STOP", at)


def inflated(source: Source, member: zipped.Member) -> bytes:
    """A member's bytes.

    Raises:
        OverLimit: more than 64 MiB. Malformed: damaged.
    """
    if member.size > MOST_PICKLE:
        raise OverLimit("pickle bytes", member.size, MOST_PICKLE, offset=member.header_at)
    return b"".join(zipped.chunks(source, member))


def content(source: Source, member: zipped.Member) -> Source:
    """A member as a source: what is stored plainly is read where it lies, once its CRC was compared.

    Raises:
        OverLimit: more than 64 MiB when inflated. Malformed: damaged.
    """
    if member.deflated:
        return Memory(inflated(source, member))
    for _ in zipped.chunks(source, member):
        continue
    return Slice(source, member.data_at, member.size)
