"""BMP structure, uncompressed only. Source: Microsoft, BITMAPFILEHEADER and BITMAPINFOHEADER."""

from __future__ import annotations

import struct

from countermark.formats._picture import Flag, Walked, take
from countermark.formats.limits import Malformed

_INFO_SIZES = (40, 52, 56, 108, 124)
_BITS = (1, 4, 8, 16, 24, 32)


def walk(data: bytes) -> Walked:
    """Check the header against the size of its pixel rows.

    Raises:
        Malformed: cut short, compressed, pixel rows that overlap the header.
    """
    take(data, 0, 54, "the header")
    pixels_at, info = struct.unpack_from("<II", data, 10)
    width, signed_height, planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if info not in _INFO_SIZES or planes != 1 or bits not in _BITS or width < 0:
        raise Malformed("bmp-header", f"header of {info} bytes, {bits} bits a pixel, {planes} planes", offset=14)
    if compression not in (0, 3):
        raise Malformed("bmp-compressed", f"compression {compression} is not read here", offset=30)
    height = abs(signed_height)
    rows = (width * bits + 31) // 32 * 4 * height
    if pixels_at < 14 + info:
        raise Malformed("bmp-header", f"pixel rows begin at byte {pixels_at}, inside the header", offset=10)
    end = pixels_at + rows
    if end > len(data):
        raise Malformed(
            "truncated", "the file ends inside its pixel rows", offset=len(data), mend="send the whole file"
        )
    channels = {24: 3, 32: 4, 16: 3}.get(bits, 1)
    return Walked(width, height, min(8, bits), channels, 1, end, 18, _gap(pixels_at, info, bits))


def _gap(pixels_at: int, info: int, bits: int) -> tuple[Flag, ...]:
    """Bytes between the largest possible colour table and the pixels belong to no picture."""
    table = 4 << bits if bits <= 8 else 16
    gap = pixels_at - (14 + info + table)
    return (Flag("bmp-gap", 14 + info + table, f"{gap} bytes before the pixel rows"),) if gap > 0 else ()
