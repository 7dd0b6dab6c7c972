"""What a picture declares, read from its structure alone: no pixel is decoded here.

Walks PNG, JPEG, GIF, BMP and WebP from the first byte to the last one, so that a declared bomb is
refused before decoding and bytes that belong to no picture are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from countermark.formats import _bmp, _gif, _jpeg, _png, _webp
from countermark.formats._picture import Flag, Walked
from countermark.formats.limits import ImageLimits, Malformed, OverLimit
from countermark.formats.polyglot import ends_as_zip
from countermark.formats.source import Memory

_READERS: tuple[tuple[str, bytes, int, Callable[[bytes], Walked]], ...] = (
    ("png", b"\x89PNG\r\n\x1a\n", 0, _png.walk),
    ("jpeg", b"\xff\xd8\xff", 0, _jpeg.walk),
    ("gif", b"GIF87a", 0, _gif.walk),
    ("gif", b"GIF89a", 0, _gif.walk),
    ("bmp", b"BM", 0, _bmp.walk),
    ("webp", b"WEBP", 8, _webp.walk),
)
EXTENSIONS = {
    "png": "png", "apng": "png", "jpg": "jpeg", "jpeg": "jpeg", "jfif": "jpeg", "gif": "gif", "bmp": "bmp",
    "webp": "webp",
}  # fmt: skip
"""File name extensions, lower case, to the format that their content must have."""
FORMATS = ("png", "jpeg", "gif", "bmp", "webp")

_FOREIGN = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"%PDF-", "pdf"), (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"), (b"\x1f\x8b\x08", "gzip"), (b"\x7fELF", "elf"), (b"MZ\x90\x00", "pe"),
    (b"<?php", "php"), (b"<script", "html"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the structure of one picture says.

    Attributes:
        format: one of `FORMATS`. width, height: declared pixels. bits: per channel. channels: 1 to 4;
            a palette counts as one channel. frames: pictures inside; 1 for a still picture.
        trailing: bytes after the end of the picture. flags: what is odd though readable.
    """

    format: str
    width: int
    height: int
    bits: int
    channels: int
    frames: int
    trailing: int
    flags: tuple[Flag, ...]

    @property
    def declared_pixels(self) -> int:
        """Width x height."""
        return self.width * self.height


def content_format(data: bytes | bytearray) -> str:
    """The picture format that the first bytes announce, or an empty string."""
    for name, magic, at, _ in _READERS:
        if data[at : at + len(magic)] == magic and (at == 0 or data[:4] == b"RIFF"):
            return name
    return ""


def sniff(data: bytes | bytearray, limits: ImageLimits | None = None) -> ImageFacts:
    """Walk a picture from its first byte to its last.

    Args:
        data: the whole file. limits: bounds on what it may declare.

    Raises:
        OverLimit: it declares more than the limits. Malformed: not a known picture, damaged, cut short.
    """
    bounds = limits or ImageLimits()
    if len(data) > bounds.file_bytes:
        raise OverLimit("file_bytes", len(data), bounds.file_bytes)
    data = bytes(data)
    name = content_format(data)
    if not name:
        raise Malformed(
            "not-an-image",
            f"the first bytes are {data[:8].hex() or 'absent'}: no picture format that is read here",
            offset=0,
            mend=f"deliver {', '.join(FORMATS)}",
        )
    walked = next(reader for known, _, _, reader in _READERS if known == name)(data)
    _check_size(walked, bounds)
    flags = (*walked.flags, *_trailing_flags(data, walked.end), *_polyglot_flags(data, walked.end))
    return ImageFacts(
        name, walked.width, walked.height, walked.bits, walked.channels, walked.frames, len(data) - walked.end, flags
    )


def _check_size(walked: Walked, bounds: ImageLimits) -> None:
    if walked.width < 1 or walked.height < 1:
        raise Malformed("empty-image", f"a picture of {walked.width} x {walked.height} pixels", offset=walked.size_at)
    if max(walked.width, walked.height) > bounds.side:
        raise OverLimit("side", max(walked.width, walked.height), bounds.side, offset=walked.size_at)
    if walked.width * walked.height > bounds.pixels:
        raise OverLimit("pixels", walked.width * walked.height, bounds.pixels, offset=walked.size_at)
    if walked.frames > bounds.frames:
        raise OverLimit("frames", walked.frames, bounds.frames)


def _trailing_flags(data: bytes, end: int) -> tuple[Flag, ...]:
    if end == len(data):
        return ()
    return (Flag("trailing-bytes", end, f"{len(data) - end} bytes after the end of the picture"),)


def _polyglot_flags(data: bytes, end: int) -> tuple[Flag, ...]:
    """Signs that another program reads another file in the same bytes."""
    out: dict[str, Flag] = {}
    for magic, name in _FOREIGN:
        at = data.find(magic, end)
        if at >= 0:
            out.setdefault(name, Flag(f"polyglot-{name}", at, f"a {name} file begins after the picture"))
    at = data.find(b"%PDF-", 0, 1024)  # PDF readers look this far for their header
    if at >= 0:
        out.setdefault("pdf", Flag("polyglot-pdf", at, "a pdf header inside the picture"))
    ends = ends_as_zip(Memory(data))
    if ends is not None:
        out.setdefault("zip", Flag("polyglot-zip", ends, "a zip archive ends here"))
    return tuple(out[name] for name in sorted(out))


def named_as_picture(path: str) -> bool:
    """Whether a file's name ends as a picture's does."""
    return path.rpartition(".")[2].lower() in EXTENSIONS if "." in path else False


def name_mismatch(path: str, facts: ImageFacts) -> str:
    """The format that a file's name promises where its content is another one, else an empty string."""
    _, dot, extension = path.rpartition(".")
    promised = EXTENSIONS.get(extension.lower(), "") if dot else ""
    return promised if promised and promised != facts.format else ""
