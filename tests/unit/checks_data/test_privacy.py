"""data/privacy: pictures with and without identifiers, and the same pictures stripped."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import made_up_parts
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from countermark.checks.data import privacy
from countermark.errors import FormatRefused
from countermark.finding import Found, Passed, Skipped, outcome_to_json
from countermark.formats import exif
from countermark.formats.identifiers import told
from countermark.formats.strip import strip

SECRET = "Erika Mustermann"
PIXELS = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def planted(orientation: int = 1) -> bytes:
    """EXIF with a person, serial numbers, times, a place, a device, a maker's note."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F], tags[0x013B], tags[0x0132] = "Maker", SECRET, "2024:05:06 07:08:09"
    inner = tags.get_ifd(0x8769)
    inner[0xA431], inner[0xA435], inner[0x927C], inner[0x9286] = "SN-4711", "LENS-9", b"note", b"ASCII\0\0\0seen"
    inner[0xA420] = "f" * 32
    place = tags.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 0.0), "E", (13.0, 24.0, 0.0)
    return tags.tobytes()


def encoded(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, kind, **options)
    return out.getvalue()


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    return png[:33] + struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") + png[33:]


def iptc(*datasets: tuple[int, bytes]) -> bytes:
    block = b"".join(b"\x1c\x02" + bytes([n]) + len(v).to_bytes(2, "big") + v for n, v in datasets)
    return b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + block + b"\0" * (len(block) % 2)


def thumbnail_exif() -> bytes:
    """A directory 1 that points to a small JPEG, big-endian."""
    small = encoded("JPEG")[:200]
    first = struct.pack(">HI", 0, 14)
    second = (
        struct.pack(">H", 2) + struct.pack(">HHII", 0x0201, 4, 1, 44) + struct.pack(">HHII", 0x0202, 4, 1, len(small))
    )
    return b"MM\0*" + struct.pack(">I", 8) + first + second + bytes(4) + small


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="52,31N" aux:SerialNumber="4711" '
    b'xmp:CreateDate="2024-05-06"><dc:creator><rdf:li>Erika</rdf:li></dc:creator></rdf:Description></x:xmpmeta>'
)
TEXT = PngImagePlugin.PngInfo()
TEXT.add_text("Author", SECRET)
TEXT.add_text("Creation Time", "2024", zip=True)
TEXT.add_itxt("Comment", SECRET)
KINDS = {"location", "person", "serial", "time", "text", "device", "maker-note", "identifier"}
BAD = {
    "jpeg exif": (encoded("JPEG", exif=planted()), KINDS),
    "png exif": (encoded("PNG", exif=planted()), KINDS),
    "webp exif": (encoded("WEBP", exif=planted()), KINDS),
    "webp lossless": (encoded("WEBP", exif=planted(6), xmp=XMP, lossless=True), KINDS),
    "jpeg xmp": (encoded("JPEG", xmp=XMP), {"location", "serial", "person", "time"}),
    "jpeg iptc": (
        with_segment(encoded("JPEG"), 0xED, iptc((0, b"\0\4"), (80, b"Erika"), (90, b"Berlin"), (55, b"20240506"))),
        {"person", "location", "time", "identifier"},
    ),
    "jpeg comment": (encoded("JPEG", comment=SECRET), {"text"}),
    "jpeg thumbnail": (with_segment(encoded("JPEG"), 0xE1, b"Exif\0\0" + thumbnail_exif()), {"thumbnail"}),
    "jfif thumbnail": (with_segment(encoded("JPEG"), 0xE0, b"JFXX\0\x10" + encoded("JPEG")[:300]), {"thumbnail"}),
    "jpeg unknown": (with_segment(encoded("JPEG"), 0xE9, b"Vendor\0" + SECRET.encode()), {"unread"}),
    "jpeg broken exif": (with_segment(encoded("JPEG"), 0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f"), {"unread"}),
    "jpeg trailing": (encoded("JPEG") + SECRET.encode(), {"trailing"}),
    "png text": (encoded("PNG", pnginfo=TEXT), {"person", "time", "text"}),
    "png time": (with_chunk(encoded("PNG"), b"tIME", bytes(7)), {"time"}),
    "png raw profile": (
        with_chunk(encoded("PNG"), b"tEXt", b"Raw profile type exif\0\nexif\n  8\n" + planted().hex().encode()), KINDS,
    ),
    "png unknown": (with_chunk(encoded("PNG"), b"prVt", SECRET.encode()), {"unread"}),
}  # fmt: skip
GOOD = {
    "jpeg": encoded("JPEG"),
    "jpeg progressive": encoded("JPEG", progressive=True, quality=40),
    "png": encoded("PNG", dpi=(72, 72)),
    "webp": encoded("WEBP"),
    "orientation alone": encoded("JPEG", exif=b"Exif\0\0" + exif.only_orientation(6)),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", BAD)
def test_everything_planted_is_found_and_gone_after_stripping(name: str) -> None:
    data, kinds = BAD[name]
    before = told(data)
    assert kinds <= {one.kind for one in before.identifiers}
    stripped = strip(data)
    after = told(stripped.data)
    assert stripped.removed == before.identifiers and not after.identifiers
    assert after.orientation == before.orientation
    assert SECRET.encode() not in stripped.data and b"4711" not in stripped.data
    with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(stripped.data)) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other)), "the pixels are not touched"
        assert one.getexif().get(0x0112, 1) == other.getexif().get(0x0112, 1)


@pytest.mark.parametrize("name", GOOD)
def test_plain_pictures_tell_nothing_and_stay_as_they_are(name: str) -> None:
    assert not told(GOOD[name]).identifiers
    assert strip(GOOD[name]).data == GOOD[name]


def test_a_colour_profile_stays() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        with Image.open(io.BytesIO(strip(encoded(kind, icc_profile=profile, exif=planted())).data)) as picture:
            assert picture.info["icc_profile"] == profile


def test_the_check_names_suppliers_and_fields_but_no_value() -> None:
    data = made_up_parts.honest(0)
    view = made_up_parts.view_of(data)
    assert isinstance(privacy.run(view).outcome, Skipped)
    files = [GOOD["jpeg"]] * len(view.label)
    assert isinstance(privacy.run(replace(view, files=files)).outcome, Passed)
    row = int(np.flatnonzero(view.supplier == 1)[0])
    files[row] = BAD["jpeg exif"][0]
    files[0] = b"no picture"
    report = privacy.run(replace(view, files=files))
    assert isinstance(report.outcome, Found)
    assert {f.where.supplier for f in report.outcome.findings} == {view.suppliers[1]}
    assert {f.rule for f in report.outcome.findings} == KINDS - {"device"}
    assert all(
        f.where.rows == (view.ids[row],) and f.severity in ("info", "low", "medium") for f in report.outcome.findings
    )
    assert SECRET not in str(outcome_to_json(report.outcome)) and "4711" not in str(outcome_to_json(report.outcome))
    assert any("1 files: not read" in line for line in report.outcome.left_out)
    assert not report.suspects and report.rows is not None and np.flatnonzero(report.rows).tolist() == [row]


def test_hostile_exif_is_refused() -> None:
    loop = b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8)
    with pytest.raises(FormatRefused, match="twice"):
        exif.read(loop)
    outside = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x013B, 2, 0xFFFFFFFF, 26) + bytes(4)
    with pytest.raises(FormatRefused, match="outside"):
        exif.read(outside)
    many = b"II*\0" + struct.pack("<IH", 8, 0xFFFF) + bytes(12 * 0xFFFF)
    with pytest.raises(FormatRefused, match="entries"):
        exif.read(many)
    with pytest.raises(FormatRefused):
        exif.read(b"")
