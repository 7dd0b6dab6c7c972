"""Hostile pictures, built byte by byte: what each does, and the rule that stops or flags it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Attack:
    """A file name, its bytes, the rule that must name it, and the story in one line."""

    file: str
    data: bytes
    rule: str
    story: str


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    """One PNG chunk, its CRC right unless another is given."""
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width: int = 2, height: int = 2, *, extra: bytes = b"", tail: bytes = b"", rows: bytes | None = None) -> bytes:
    """A grey 8-bit PNG that declares any size; `rows` replaces its pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    if rows is None:
        rows = (b"\0" + b"\x80" * width) * height
    return PNG + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"") + tail


def jpeg(width: int = 8, height: int = 8, *, again: bytes = b"", tail: bytes = b"") -> bytes:
    """The skeleton of a JPEG: one frame, one empty scan."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    sof = b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame
    sos = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x12\x34\xff\x00\x56"
    return b"\xff\xd8" + sof + again + sos + b"\xff\xd9" + tail


def gif(width: int = 2, height: int = 2, frame: tuple[int, int] = (2, 2), frames: int = 1, tail: bytes = b"") -> bytes:
    """A GIF of tiny frames."""
    picture = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + picture * frames + b";" + tail


def bmp(width: int = 2, height: int = 2, *, gap: bytes = b"") -> bytes:
    """A 24-bit BMP that declares any size."""
    rows = bytes((width * 24 + 31) // 32 * 4 * height) if width * height < 1 << 16 else b""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(gap) + len(rows), 0, 0, 54 + len(gap)) + info + gap + rows


def a_zip() -> bytes:
    """A small zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("run.py", "print('other file')")
    return out.getvalue()


def attacks() -> dict[str, Attack]:
    """Name to attack; all are refused or flagged under their rule."""
    whole = png()
    text = chunk(b"tEXt", b"Comment\0%PDF-1.4")
    second = b"\xff\xc0\x00\x0b\x08\x00\x40\x00\x40\x01\x01\x11\x00"
    listed = [
        ("png-bomb", "png", png(31_623, 31_623, rows=b""), "limit-pixels", "declares 10^9 pixels in 70 bytes"),
        ("png-side", "png", png(1_000_000, 1, rows=b""), "limit-side", "one row of a million pixels"),
        ("png-zero", "png", png(0, 5, rows=b""), "empty-image", "no pixels at all"),
        ("png-truncated", "png", whole[:-20], "truncated", "ends inside a chunk"),
        ("png-crc", "png", whole[:19] + b"\x03" + whole[20:], "png-crc", "a bit turned on the way"),
        ("png-crc-idat", "png", PNG + whole[8:33] + chunk(b"IDAT", b"x", 7), "png-crc", "pixels that were edited"),
        ("png-two-headers", "png", png(extra=whole[8:33]), "png-chunk-order", "two sizes; readers disagree"),
        ("png-no-pixels", "png", PNG + whole[8:33] + chunk(b"IEND", b""), "png-no-pixels", "a header alone"),
        ("png-zip", "png", png(tail=a_zip()), "polyglot-zip", "a picture that is an archive too"),
        ("png-pdf", "png", png(extra=text), "polyglot-pdf", "a picture that is a document too"),
        ("png-tail", "png", png(tail=b"\0" * 9), "trailing-bytes", "room for a message after the end"),
        ("png-frames", "png", png(extra=chunk(b"acTL", struct.pack(">II", 9, 0))), "animated", "nine pictures in one"),
        ("png-length", "png", PNG + b"\xff\xff\xff\xffIHDR" + bytes(20), "png-chunk", "a chunk of 4 GB"),
        ("jpeg-bomb", "jpg", jpeg(65_000, 65_000), "limit-pixels", "declares 4 x 10^9 pixels"),
        ("jpeg-two-frames", "jpg", jpeg(again=second), "jpeg-frames", "small for one reader, large for another"),
        ("jpeg-height", "jpg", jpeg(8, 0), "jpeg-height", "says its height after the check"),
        ("jpeg-truncated", "jpg", jpeg()[:-2], "truncated", "ends inside its scan"),
        ("jpeg-zip", "jpg", jpeg(tail=a_zip()), "polyglot-zip", "an archive behind a photograph"),
        ("jpeg-marker", "jpg", jpeg(again=b"\0\0"), "jpeg-marker", "junk between segments"),
        ("gif-bomb", "gif", gif(60_000, 60_000), "limit-pixels", "declares 3.6 x 10^9 pixels"),
        ("gif-outside", "gif", gif(2, 2, (900, 900)), "gif-outside", "a frame that leaves its screen"),
        ("gif-frames", "gif", gif(frames=3000), "limit-frames", "three thousand frames"),
        ("gif-truncated", "gif", gif()[:-1], "truncated", "no trailer"),
        ("bmp-bomb", "bmp", bmp(40_000, 40_000), "truncated", "declares 1.6 x 10^9 pixels, holds none"),
        ("bmp-gap", "bmp", bmp(gap=b"#" * 64), "bmp-gap", "room for a message before the pixels"),
        ("webp-bomb", "webp", _webp(16_384, 16_384), "limit-pixels", "declares 2.7 x 10^8 pixels"),
        ("webp-canvas", "webp", _webp(8, 8, canvas=(9, 9)), "webp-canvas", "two sizes; readers disagree"),
        ("webp-length", "webp", b"RIFF\xff\xff\xff\x7fWEBPVP8L" + bytes(8), "truncated", "a RIFF of 2 GB"),
        ("no-image", "png", b"<html><script>", "not-an-image", "a web page called a picture"),
        ("empty", "png", b"", "not-an-image", "nothing at all"),
    ]
    return {name: Attack(f"{name}.{end}", data, rule, story) for name, end, data, rule, story in listed}


def _webp(width: int, height: int, canvas: tuple[int, int] | None = None) -> bytes:
    packed = (width - 1) | (height - 1) << 14
    body = b"\x2f" + struct.pack("<I", packed) + b"\0"
    chunks = b"VP8L" + struct.pack("<I", len(body)) + body
    if canvas:
        sides = (canvas[0] - 1).to_bytes(3, "little") + (canvas[1] - 1).to_bytes(3, "little")
        chunks = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides + chunks
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
