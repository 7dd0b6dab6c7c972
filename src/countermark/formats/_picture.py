"""What a walk over one picture yields, and the bounded reads that every walk uses."""

from __future__ import annotations

from dataclasses import dataclass

from countermark.formats.limits import Malformed


@dataclass(frozen=True, slots=True)
class Flag:
    """Something odd in a readable picture: a stable rule name, the byte, one line."""

    rule: str
    offset: int
    what: str


@dataclass(frozen=True, slots=True)
class Walked:
    """Declared facts of one picture; `end` is the first byte after it, `size_at` where its size stands."""

    width: int
    height: int
    bits: int
    channels: int
    frames: int
    end: int
    size_at: int
    flags: tuple[Flag, ...] = ()


def take(data: bytes, offset: int, count: int, what: str) -> bytes:
    """Exactly `count` bytes.

    Raises:
        Malformed: the file ends before.
    """
    piece = data[offset : offset + count]
    if len(piece) != count:
        raise Malformed("truncated", f"the file ends inside {what}", offset=len(data), mend="send the whole file")
    return piece
