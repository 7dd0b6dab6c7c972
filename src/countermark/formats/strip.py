"""A picture without what its metadata tells: segments are left out, pixels are not touched.

Colour profiles, gamma and transparency stay, since the picture would look different without them. An EXIF orientation other than 1
stays too (kept, not applied), alone in a new EXIF block.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from countermark.formats import _jpeg, _png, _webp, exif
from countermark.formats.identifiers import PNG_KEPT, WEBP_KEPT, Identifier, keeps_jpeg, told
from countermark.formats.image import content_format
from countermark.formats.limits import Malformed


@dataclass(frozen=True, slots=True)
class Stripped:
    """A stripped file, what it told before, and what was not looked at."""

    data: bytes
    removed: tuple[Identifier, ...]
    unread: tuple[str, ...] = ()


def strip(data: bytes) -> Stripped:
    """Leave out the metadata of a JPEG, PNG or WebP; other pictures come back as they are.

    Raises:
        FormatRefused: no readable picture. Malformed: something is still told afterwards, so nothing is claimed.
    """
    before = told(data)
    if not before.identifiers:
        return Stripped(data, (), before.unread)
    maker = {"jpeg": _jpeg_out, "png": _png_out, "webp": _webp_out}.get(content_format(data))
    if maker is None:
        raise Malformed("strip", f"a {content_format(data)} with bytes after it cannot be stripped", mend="take it out")
    out = maker(data, before.orientation)
    left = told(out).identifiers
    if left:
        raise Malformed("strip", f"{left[0].field} is still there after stripping", mend="take the picture out")
    return Stripped(out, before.identifiers, before.unread)


def _jpeg_out(data: bytes, orientation: int) -> bytes:
    out = bytearray(data[:2])
    if orientation != 1:
        body = b"Exif\0\0" + exif.only_orientation(orientation)
        out += b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    for segment in _jpeg.segments(data):
        if keeps_jpeg(segment):
            out += data[segment.start : segment.end]
        elif segment.marker == 0xE0 and segment.body.startswith(b"JFIF\0") and len(segment.body) >= 14:
            out += b"\xff\xe0\0\x10" + segment.body[:12] + b"\0\0"  # its density, without its thumbnail
    return bytes(out)


def _png_out(data: bytes, orientation: int) -> bytes:
    out = bytearray(data[:33])
    if orientation != 1:
        body = exif.only_orientation(orientation)
        out += len(body).to_bytes(4, "big") + b"eXIf" + body + zlib.crc32(b"eXIf" + body).to_bytes(4, "big")
    for kind, offset, body in _png.chunks(data):
        if kind in PNG_KEPT:
            out += data[offset : offset + 12 + len(body)]
    return bytes(out)


def _webp_out(data: bytes, orientation: int) -> bytes:
    body, turned = bytearray(), orientation != 1
    for kind, _, content in _webp.chunks(data, _webp.riff_end(data)):
        if kind == b"VP8X":
            flags = content[0] & ~0x0C | (0x08 if turned else 0)  # EXIF is bit 3, XMP is bit 2
            body += _webp_chunk(kind, bytes([flags]) + content[1:])
        elif kind in WEBP_KEPT:
            body += _webp_chunk(kind, content)
    if turned:
        body += _webp_chunk(b"EXIF", exif.only_orientation(orientation))
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + bytes(body)


def _webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
