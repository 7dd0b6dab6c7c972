"""PNG structure. Source: W3C PNG Specification (Third Edition), sections 5 and 11."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from countermark.formats._picture import Flag, Walked, take
from countermark.formats.limits import Malformed

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_MAX_CHUNKS = 1 << 20


def walk(data: bytes) -> Walked:
    """Walk every chunk, its CRC included, to IEND.

    Raises:
        Malformed: cut short, a CRC that does not hold, chunks missing, twice or out of order.
    """
    width, height, bits, channels = _header(data)
    frames, seen, last = 1, {b"IHDR"}, b"IHDR"
    flags: list[Flag] = []
    for kind, offset, body in chunks(data):
        _check_order(kind, seen, last, offset)
        if kind == b"acTL" and len(body) == 8:
            frames = max(1, int.from_bytes(body[:4], "big"))
            flags.append(Flag("animated", offset, f"an animation of {frames} frames; only the first is used"))
        end = offset + 12 + len(body)
        seen.add(kind)
        last = kind
    if b"IDAT" not in seen:
        raise Malformed("png-no-pixels", "no pixel data before the end of the picture", offset=end)
    return Walked(width, height, bits, channels, frames, end, 16, tuple(flags))


def chunks(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Kind, start and content of every chunk after IHDR, up to and with IEND.

    Raises:
        Malformed: cut short, a CRC that does not hold, no end.
    """
    offset = 33
    for _ in range(_MAX_CHUNKS):
        kind, body = _chunk(data, offset)
        yield kind, offset, body
        offset += 12 + len(body)
        if kind == b"IEND":
            return
    raise Malformed("png-no-pixels", "no end of the picture", offset=offset)


def _header(data: bytes) -> tuple[int, int, int, int]:
    kind, body = _chunk(data, 8)
    if kind != b"IHDR" or len(body) != 13:
        raise Malformed("png-header", f"the first chunk is {kind!r} of {len(body)} bytes, not IHDR of 13", offset=8)
    width, height, bits, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if bits not in _BITS.get(colour, ()) or compression or filtering or interlace > 1:
        raise Malformed("png-header", f"colour type {colour} with {bits} bits does not exist", offset=24)
    return width, height, bits, _CHANNELS[colour]


def _chunk(data: bytes, offset: int) -> tuple[bytes, bytes]:
    head = take(data, offset, 8, "a chunk header")
    size, kind = int.from_bytes(head[:4], "big"), head[4:]
    if size > 0x7FFFFFFF or not kind.isalpha():
        raise Malformed("png-chunk", f"chunk {kind!r} declares {size} bytes", offset=offset)
    body = take(data, offset + 8, size, f"chunk {kind.decode()}")
    seen = take(data, offset + 8 + size, 4, f"the CRC of chunk {kind.decode()}")
    if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(seen, "big"):
        raise Malformed(
            "png-crc",
            f"the CRC of chunk {kind.decode()} does not hold",
            offset=offset + 8 + size,
            why=f"seen {seen.hex()}, expected {zlib.crc32(body, zlib.crc32(kind)):08x}",
            mend="the file was damaged or edited; send it again",
        )
    return kind, body


def _check_order(kind: bytes, seen: set[bytes], last: bytes, offset: int) -> None:
    twice = kind in (b"IHDR", b"PLTE", b"acTL") and kind in seen
    torn = kind == b"IDAT" and b"IDAT" in seen and last != b"IDAT"
    unknown = kind[:1].isupper() and kind not in _CRITICAL
    if twice or torn or unknown:
        raise Malformed("png-chunk-order", f"chunk {kind.decode()} may not stand here", offset=offset)
