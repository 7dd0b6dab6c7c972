"""WebP structure. Source: RFC 9649, sections 2 and 3."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.formats._picture import Flag, Walked, take
from countermark.formats.limits import Malformed

_MAX_CHUNKS = 1 << 16


def walk(data: bytes) -> Walked:
    """Walk the chunks inside the RIFF length.

    Raises:
        Malformed: cut short, no picture, two pictures, a canvas that differs from its picture.
    """
    end = riff_end(data)
    canvas: tuple[int, int] | None = None
    pictures: list[tuple[int, int, int]] = []
    frames = 0
    for kind, offset, body in chunks(data, end):
        if kind == b"VP8X":
            canvas = _canvas(body, offset)
        elif kind in (b"VP8 ", b"VP8L"):
            pictures.append(_picture(kind, body, offset))
        elif kind == b"ANMF":
            frames += 1
    return _finish(canvas, pictures, frames, end)


def riff_end(data: bytes) -> int:
    """First byte after the picture.

    Raises:
        Malformed: cut short.
    """
    end = 8 + int.from_bytes(take(data, 0, 12, "the header")[4:8], "little")
    if end > len(data) or end < 20 or end % 2:
        raise Malformed("truncated", f"the RIFF length ends at byte {end} of {len(data)}", offset=4)
    return end


def chunks(data: bytes, end: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Kind, start and content of every chunk up to `end`.

    Raises:
        Malformed: cut short, too many chunks.
    """
    offset = 12
    for _ in range(_MAX_CHUNKS):
        if offset == end:
            return
        head = take(data[:end], offset, 8, "a chunk header")
        size = int.from_bytes(head[4:], "little")
        body = take(data[: min(end, offset + 8 + size)], offset + 8, size, f"chunk {head[:4]!r}")
        yield head[:4], offset, body
        offset += 8 + size + size % 2
    raise Malformed("webp-chunk", f"more than {_MAX_CHUNKS} chunks", offset=offset)


def _canvas(body: bytes, offset: int) -> tuple[int, int]:
    if len(body) != 10:
        raise Malformed("webp-canvas", f"a canvas chunk of {len(body)} bytes", offset=offset)
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1


def _picture(kind: bytes, body: bytes, offset: int) -> tuple[int, int, int]:
    if kind == b"VP8L":
        if len(body) < 5 or body[0] != 0x2F or body[4] >> 5:
            raise Malformed("webp-picture", "the lossless signature is absent", offset=offset)
        packed = int.from_bytes(body[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, 4 if packed >> 28 & 1 else 3
    if len(body) < 10 or body[3:6] != b"\x9d\x01\x2a" or body[0] & 1:
        raise Malformed("webp-picture", "the key frame signature is absent", offset=offset)
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF, 3


def _finish(canvas: tuple[int, int] | None, pictures: list[tuple[int, int, int]], frames: int, end: int) -> Walked:
    if frames and canvas is not None and not pictures:
        flag = Flag("animated", 12, f"an animation of {frames} frames; only the first is used")
        return Walked(*canvas, 8, 4, frames, end, 24, (flag,))
    if len(pictures) != 1 or frames:
        raise Malformed("webp-pictures", f"{len(pictures)} pictures and {frames} frames", offset=12)
    width, height, channels = pictures[0]
    if canvas is not None and canvas != (width, height):
        raise Malformed("webp-canvas", f"a canvas of {canvas} around a picture of {(width, height)}", offset=12)
    return Walked(width, height, 8, channels, 1, end, 24)
