"""What a picture's metadata tells about people, places and devices: names of fields, never their values.

Reads EXIF (JPEG, PNG, WebP), XMP, IPTC-IIM and Photoshop resources, PNG text, comments, and counts what it has no meaning for.
Sources: CIPA DC-008; ISO 16684-1 (XMP); IPTC-IIM 4.2; W3C PNG (Third Edition), 11.3.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from countermark.errors import FormatRefused
from countermark.formats import _jpeg, _png, _webp, exif
from countermark.formats.image import content_format, sniff
from countermark.formats.limits import ImageLimits

KINDS = {
    "location": "medium", "person": "medium", "serial": "medium", "thumbnail": "medium", "maker-note": "medium",
    "unread": "medium", "trailing": "medium", "text": "low", "time": "low", "identifier": "low", "device": "info",
    "private": "medium", "burned-in": "high", "document": "high", "overlay": "medium", "report-text": "medium",
}  # fmt: skip
"""What an identifier may be, and how severe it is; the last five in DICOM files alone."""
_INFLATED = 1 << 20
_EXIF: dict[str, tuple[int, ...]] = {
    "serial": (0xA431, 0xA435, 0xC62F, 0xC65D),
    "person": (0x013B, 0x8298, 0x013C, 0xA430, 0x9C9D, 0xA437, 0xA438),
    "text": (0x010D, 0x010E, 0x011D, 0x9286, 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F, 0xA436, 0x9213),
    "time": (0x0132, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292, 0x882A, 0xC71B),
    "identifier": (0xA420, 0x800D, 0x02BC, 0x83BB, 0x8649),
    "device": (0x010F, 0x0110, 0x0131, 0xA433, 0xA434, 0xA439, 0xA43A, 0xA43B, 0xA43C, 0x000B, 0xC614, 0xC615),
    "maker-note": (0x927C, 0xC634),
}  # fmt: skip
_EXIF_KIND = {number: kind for kind, numbers in _EXIF.items() for number in numbers}
_PLAIN = frozenset({
    0x00FE, 0x00FF, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0111, 0x0112, 0x0115, 0x0116, 0x0117, 0x011A, 0x011B, 0x011C, 0x0128, 0x012D,
    0x013E, 0x013F, 0x0140, 0x0152, 0x0211, 0x0212, 0x0213, 0x0214, 0x829A, 0x829D, 0x8769, 0x8773, 0x8822, 0x8824, 0x8825, 0x8827, 0x8828,
    0x8830, 0x8831, 0x8832, 0x8833, 0x8834, 0x8835, 0x9000, 0x9101, 0x9102, 0x9201, 0x9202, 0x9203, 0x9204, 0x9205, 0x9206, 0x9207, 0x9208,
    0x9209, 0x920A, 0x9214, 0xA000, 0xA001, 0xA002, 0xA003, 0xA005, 0xA20B, 0xA20C, 0xA20E, 0xA20F, 0xA210, 0xA214, 0xA215, 0xA217, 0xA300,
    0xA301, 0xA302, 0xA401, 0xA402, 0xA403, 0xA404, 0xA405, 0xA406, 0xA407, 0xA408, 0xA409, 0xA40A, 0xA40B, 0xA40C, 0xA432, 0xA460, 0xA461,
    0xA462, 0xA500,
})  # fmt: skip
"""EXIF tags that say how a picture was taken or is stored, and nothing about who, where or when."""
_XMP: tuple[tuple[str, bytes], ...] = (
    ("location", rb"GPS\w+|City|Country\w*|Location\w*|Sublocation|State|ProvinceState|WorldRegion"),
    ("person", rb"creator|Creator\w*|Artist|AuthorsPosition|Author|CaptionWriter|OwnerName|CameraOwnerName|PersonInImage\w*|rights|"
               rb"Owner|Credit|Source|Contributor|contributor|publisher|PersonDisplayName|RegisteredToName"),
    ("serial", rb"\w*SerialNumber"),
    ("thumbnail", rb"Thumbnails?|image|Data"),
    ("time", rb"\w*Date\w*|when"),
    ("identifier", rb"\w*DocumentID|InstanceID|ImageUniqueID|identifier|\w*GUID"),
    ("text", rb"title|description|Headline|subject|UserComment|Instructions|Keywords|Label|Description"),
    ("device", rb"Make|Model|Software|CreatorTool|Lens\w*|softwareAgent"),
)  # fmt: skip
_XMP_RULES = tuple((kind, re.compile(rb"[\w.-]{1,40}:(?:" + names + rb")[\s=>/]")) for kind, names in _XMP)
_IPTC = {
    **dict.fromkeys((80, 85, 110, 115, 116, 118, 122), "person"), **dict.fromkeys((26, 27, 90, 92, 95, 100, 101), "location"),
    **dict.fromkeys((30, 35, 37, 38, 47, 55, 60, 62, 63, 70), "time"), **dict.fromkeys((22, 103, 184, 185), "identifier"), 65: "device",
}  # fmt: skip
_JPEG_KEPT = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xDA, 0xD9, 0xDC, 0x01, *range(0xD0, 0xD8)})
PNG_KEPT = frozenset({
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"hIST", b"cICP",
    b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
})  # fmt: skip
WEBP_KEPT = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})


@dataclass(frozen=True, slots=True)
class Identifier:
    """kind: of `KINDS`. field: its name in its standard's words. offset: byte of the block that holds it, in the file."""

    kind: str
    field: str
    offset: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a picture tells beside its pixels.

    Attributes:
        identifiers: by place. orientation: EXIF orientation, 1 to 8. unread: what was not looked into, a line each.
    """

    identifiers: tuple[Identifier, ...]
    orientation: int = 1
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of metadata: what it is, where it starts, its content."""

    what: str
    offset: int
    body: bytes


def told(data: bytes, limits: ImageLimits | None = None) -> Told:
    """Find identifiers of one encoded picture.

    Raises:
        FormatRefused: it is no readable picture; nothing is known of it then.
    """
    facts = sniff(data, limits)
    found: list[Identifier] = []
    orientation, unread = 1, list[str]()
    for block in blocks(data):
        if block.what == "exif":
            try:
                seen = exif.read(block.body)
            except FormatRefused as error:
                found.append(Identifier("unread", f"EXIF that does not parse ({error.what})"[:200], block.offset))
            else:
                orientation = seen.orientation
                found += (Identifier(kind, name, block.offset) for kind, name in _from_exif(seen))
        else:
            found += (Identifier(kind, name, block.offset) for kind, name in _READ.get(block.what, _unknown)(block))
    if facts.trailing:
        found.append(Identifier("trailing", f"{facts.trailing} bytes after the picture", len(data) - facts.trailing))
    if facts.format == "gif":
        unread.append("comments and application blocks of a GIF")
    return Told(tuple(dict.fromkeys(found)), orientation, tuple(unread))


def blocks(data: bytes) -> Iterator[Block]:
    """Metadata of a JPEG, PNG or WebP; nothing of other formats."""
    match content_format(data):
        case "jpeg":
            for segment in _jpeg.segments(data):
                if block := _jpeg_block(segment):
                    yield block
        case "png":
            for kind, offset, body in _png.chunks(data):
                if kind not in PNG_KEPT:
                    yield _png_block(kind, offset, body)
        case "webp":
            for kind, offset, body in _webp.chunks(data, _webp.riff_end(data)):
                if kind not in WEBP_KEPT:
                    what = {b"EXIF": "exif", b"XMP ": "xmp"}.get(kind, f"WebP chunk {kind!r}")
                    yield Block(what, offset, body)


def keeps_jpeg(segment: _jpeg.Segment) -> bool:
    """Whether a decoder needs this segment to show the same colours."""
    icc = segment.marker == 0xE2 and segment.body.startswith(b"ICC_PROFILE\0")
    adobe = segment.marker == 0xEE and segment.body.startswith(b"Adobe") and len(segment.body) == 12
    plain = segment.marker == 0xE0 and segment.body.startswith(b"JFIF\0") and len(segment.body) == 14
    return segment.marker in _JPEG_KEPT or icc or adobe or (plain and segment.body[12:] == b"\0\0")


def _jpeg_block(segment: _jpeg.Segment) -> Block | None:
    marker, body, at = segment.marker, segment.body, segment.start
    if keeps_jpeg(segment):
        return None
    if marker == 0xE1 and body.startswith(b"Exif\0"):
        return Block("exif", at, body[6:])
    if marker == 0xE1 and body.startswith((b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")):
        return Block("xmp", at, body)
    if marker == 0xED and body.startswith(b"Photoshop 3.0\0"):
        return Block("photoshop", at, body[14:])
    if marker == 0xFE:
        return Block("comment", at, body)
    if marker == 0xE0 and body.startswith((b"JFIF\0", b"JFXX\0")):
        return Block("jfif", at, body)
    return Block(f"JPEG segment ff{marker:02x}", at, body)


def _png_block(kind: bytes, offset: int, body: bytes) -> Block:
    what = {b"eXIf": "exif", b"tIME": "png-time", b"tEXt": "png-text", b"zTXt": "png-text", b"iTXt": "png-text"}.get(
        kind
    )
    return Block(what or f"PNG chunk {kind.decode()}", offset, kind + body if what == "png-text" else body)


def _from_exif(seen: exif.Exif) -> Iterator[tuple[str, str]]:
    for tag in seen.tags:
        if tag.directory == "gps":
            if tag.number != 0 and not tag.empty:  # 0 is the version of the directory
                yield "location", "EXIF GPS"
        elif tag.directory == "thumbnail":
            if tag.number in (0x0201, 0x0111):
                yield "thumbnail", "EXIF thumbnail"
            elif tag.number in _EXIF_KIND and not tag.empty:
                yield _EXIF_KIND[tag.number], f"EXIF {tag.number:#06x}"
        elif tag.directory == "other":
            yield "unread", "EXIF further directory"
        elif tag.number in _EXIF_KIND and not (tag.directory == "interoperability" or tag.empty):
            yield _EXIF_KIND[tag.number], f"EXIF {tag.number:#06x}"
        elif tag.directory != "interoperability" and tag.number not in _PLAIN and not tag.empty:
            yield "unread", f"EXIF {tag.number:#06x}"


def _from_xmp(block: Block) -> Iterator[tuple[str, str]]:
    text = block.body.replace(b"\0", b"")  # UTF-16 and UTF-32 of ASCII names
    named = False
    for kind, rule in _XMP_RULES:
        if match := rule.search(text):
            named = True
            yield kind, f"XMP {match.group()[:60].decode('ascii', 'replace').strip(' =>/')}"
    if not named:
        yield "identifier", "XMP packet"


def _from_photoshop(block: Block) -> Iterator[tuple[str, str]]:
    body, at = block.body, 0
    while body[at : at + 4] == b"8BIM" and at + 12 <= len(body):
        number = int.from_bytes(body[at + 4 : at + 6], "big")
        at += 6 + (body[at + 6] + 2) // 2 * 2
        size = int.from_bytes(body[at : at + 4], "big")
        piece, at = body[at + 4 : at + 4 + size], at + 4 + (size + 1) // 2 * 2
        if number == 0x0404:
            yield from _from_iptc(piece)
        elif number in (0x0409, 0x040C):
            yield "thumbnail", f"Photoshop {number:#06x}"
        elif number in (0x0422, 0x0423, 0x0424):
            yield "unread", f"Photoshop {number:#06x}"
    yield "identifier", "Photoshop resources"


def _from_iptc(body: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while body[at : at + 1] == b"\x1c" and at + 5 <= len(body):
        record, dataset, size = body[at + 1], body[at + 2], int.from_bytes(body[at + 3 : at + 5], "big")
        if size & 0x8000:
            yield "unread", "IPTC extended dataset"
            return
        at += 5 + size
        if record == 2 and dataset != 0 and size:
            yield _IPTC.get(dataset, "text"), f"IPTC 2:{dataset:02d}"
    if body[at:].strip(b"\0"):
        yield "unread", "IPTC rest"


def _from_png_text(block: Block) -> Iterator[tuple[str, str]]:
    kind, keyword, rest = block.body[:4], *block.body[4:].partition(b"\0")[::2]
    name = keyword.decode("latin-1")[:79]
    word = name.lower()
    if kind == b"iTXt" and word == "xml:com.adobe.xmp":
        text = _itxt(rest)
        yield from _from_xmp(Block("xmp", block.offset, text)) if text else iter([("unread", "PNG compressed XMP")])
    elif word.startswith("raw profile type"):
        yield from _raw_profile(word, _inflated(rest[1:]) if kind == b"zTXt" else rest)
    elif any(part in word for part in ("author", "artist", "owner", "copyright", "creator")):
        yield "person", f"PNG text {name}"
    elif "gps" in word or "location" in word:
        yield "location", f"PNG text {name}"
    elif "serial" in word:
        yield "serial", f"PNG text {name}"
    elif "time" in word or "date" in word:
        yield "time", f"PNG text {name}"
    elif word in ("software", "source"):
        yield "device", f"PNG text {name}"
    else:
        yield "text", f"PNG text {name}"


def _itxt(rest: bytes) -> bytes:
    """Text of an iTXt chunk after its keyword; empty where it does not inflate within bounds."""
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(text) if rest[:1] == b"\x01" else text


def _inflated(data: bytes) -> bytes:
    try:
        machine = zlib.decompressobj()
        out = machine.decompress(data, _INFLATED)
    except zlib.error:
        return b""
    return out if machine.eof else b""


def _raw_profile(word: str, text: bytes) -> Iterator[tuple[str, str]]:
    """A profile in hex digits, after its name and length on lines of their own (ImageMagick's way)."""
    lines = text.strip().split(b"\n", 2)
    try:
        body = bytes.fromhex(lines[2].decode("ascii")) if len(lines) == 3 else b""
        seen = exif.read(body) if "exif" in word or "app1" in word else None
    except (ValueError, FormatRefused):
        body, seen = b"", None
    if seen is not None:
        yield from _from_exif(seen)
    elif "iptc" in word and body.startswith(b"8BIM"):
        yield from _from_photoshop(Block("photoshop", 0, body))
    elif "xmp" in word and body:
        yield from _from_xmp(Block("xmp", 0, body))
    else:
        yield "unread", f"PNG {word}"


def _jfif(_block: Block) -> Iterator[tuple[str, str]]:
    yield "thumbnail", "JFIF thumbnail"


def _comment(_block: Block) -> Iterator[tuple[str, str]]:
    yield "text", "JPEG comment"


def _png_time(_block: Block) -> Iterator[tuple[str, str]]:
    yield "time", "PNG tIME"


def _unknown(block: Block) -> Iterator[tuple[str, str]]:
    yield "unread", block.what


_READ: dict[str, Callable[[Block], Iterator[tuple[str, str]]]] = {
    "xmp": _from_xmp, "photoshop": _from_photoshop, "png-text": _from_png_text, "png-time": _png_time, "jfif": _jfif,
    "comment": _comment,
}  # fmt: skip
