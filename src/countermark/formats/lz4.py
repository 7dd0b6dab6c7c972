"""LZ4 frames, inflated block by block with no library: the answer is the same on every machine.

The header's checksum is compared. Those of blocks and content are stepped over: a loader that compares them sees the bytes
that were inspected or none.

Source: LZ4 Frame Format Description 1.6.4 and LZ4 Block Format Description; xxHash 0.1.1 for the checksum.
"""

from __future__ import annotations

import struct

MAGIC = b"\x04\x22\x4d\x18"
_HISTORY = 1 << 16
_MASK = 0xFFFFFFFF
_P1, _P2, _P3, _P4, _P5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393


class Damaged(ValueError):
    """A frame that breaks the format."""


class Frame:
    """Inflates one frame; used like `bz2.BZ2Decompressor`.

    Attributes:
        eof: the frame ended. needs_input: nothing more comes out of what was given. unused_data: bytes after the frame.
    """

    def __init__(self) -> None:
        self.eof, self.needs_input, self.unused_data = False, True, b""
        self._given = bytearray()
        self._history = bytearray()
        self._flags = self._most = 0
        self._size: int | None = None
        self._made = 0

    def decompress(self, data: bytes, _most: int = -1) -> bytes:
        """The next block, at most 4 MiB whatever is asked for; empty where more input is needed.

        Raises:
            Damaged: the frame breaks the format.
        """
        self._given += data
        if not self._most and not self._header():
            self.needs_input = True
            return b""
        out = self._block()
        self.needs_input = out is None and not self.eof
        return out or b""

    def _header(self) -> bool:
        if len(self._given) < 19 and len(self._given) < 7:
            return False
        flags, size = self._given[4], self._given[5] >> 4 & 7
        length = 7 + (8 if flags & 8 else 0)
        if self._given[:4] != MAGIC or flags >> 6 != 1 or flags & 3 or self._given[5] & 0x8F or not 4 <= size <= 7:
            raise Damaged("a frame header with unknown flags or a dictionary")
        if len(self._given) < length:
            return False
        if _xxh32(bytes(self._given[4 : length - 1])) >> 8 & 0xFF != self._given[length - 1]:
            raise Damaged("a frame header that does not have its checksum")
        if flags & 8:
            self._size = int.from_bytes(self._given[6:14], "little")
        self._flags, self._most = flags, 1 << (8 + 2 * size)
        del self._given[:length]
        return True

    def _block(self) -> bytes | None:
        if len(self._given) < 4:
            return None
        word = int.from_bytes(self._given[:4], "little")
        if word == 0:
            return self._end()
        count, plain = word & 0x7FFFFFFF, bool(word >> 31)
        if count > self._most:
            raise Damaged("a block larger than the frame allows")
        total = 4 + count + (4 if self._flags & 16 else 0)
        if len(self._given) < total:
            return None
        stored = bytes(self._given[4 : 4 + count])
        del self._given[:total]
        return self._made_of(stored, plain)

    def _made_of(self, stored: bytes, plain: bool) -> bytes:
        linked = not self._flags & 32
        out = stored if plain else _inflate(stored, bytes(self._history) if linked else b"", self._most)
        if linked:
            self._history += out
            del self._history[:-_HISTORY]
        self._made += len(out)
        return out

    def _end(self) -> bytes | None:
        total = 4 + (4 if self._flags & 4 else 0)
        if len(self._given) < total:
            return None
        if self._size is not None and self._size != self._made:
            raise Damaged(f"{self._made} bytes where the frame declares {self._size}")
        self.eof, self.unused_data = True, bytes(self._given[total:])
        return b""


def _inflate(data: bytes, history: bytes, most: int) -> bytes:
    """One block: runs of literals, each followed by a copy of earlier bytes."""
    out, at, end, floor = bytearray(history), 0, len(data), len(history)
    try:
        while True:
            token = data[at]
            count, at = _length(data, at + 1, token >> 4)
            out += data[at : at + count]
            at += count
            if at == end:
                break  # literals that reach beyond it end in the middle of a sequence
            back = data[at] | data[at + 1] << 8
            count, at = _length(data, at + 2, token & 15)
            count += 4
            start = len(out) - back
            if not back or start < 0 or len(out) + count - floor > most:
                raise Damaged("a copy from before the data, or more than a block may hold")
            piece = bytes(out[start : start + count])
            out += piece if len(piece) == count else (piece * (count // back + 1))[:count]
    except IndexError:
        raise Damaged("a block that ends within a sequence") from None
    if len(out) - floor > most:
        raise Damaged("more than a block may hold")
    return bytes(out[floor:])


def _length(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    if nibble < 15:
        return nibble, at
    while True:
        more = data[at]
        nibble, at = nibble + more, at + 1
        if more != 255:
            return nibble, at


def _turn(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & _MASK


def _xxh32(data: bytes) -> int:
    """xxHash of 32 bits, seed 0, of at most 15 bytes: longer input takes steps that no header needs."""
    out, words = (_P5 + len(data)) & _MASK, len(data) // 4 * 4
    for (word,) in struct.iter_unpack("<I", data[:words]):
        out = _turn((out + word * _P3) & _MASK, 17) * _P4 & _MASK
    for byte in data[words:]:
        out = _turn((out + byte * _P5) & _MASK, 11) * _P1 & _MASK
    out = (out ^ out >> 15) * _P2 & _MASK
    out = (out ^ out >> 13) * _P3 & _MASK
    return out ^ out >> 16
