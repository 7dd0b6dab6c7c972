"""What makes one file two pictures: told from its structure, before any pixel is decoded.

Sources: CIPA DC-008 (orientation); W3C PNG (Third Edition), 11.3.2 (gAMA, cHRM, sRGB); ITU-T T.872, 6.5.3 (Adobe marker).
"""

from __future__ import annotations

from collections.abc import Iterator

from countermark.formats import _jpeg, _png
from countermark.formats._picture import Flag
from countermark.formats.identifiers import told
from countermark.formats.image import ImageFacts

_USUAL_GAMMA = (45000, 46000)
_SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_NEAR = 1500
_YCBCR, _RGB = b"\x01\x02\x03", b"RGB"


def tricks(data: bytes, facts: ImageFacts) -> tuple[Flag, ...]:
    """Flags of one picture that `image.sniff` has read; its own flags are not repeated."""
    out = list(_png_tricks(data) if facts.format == "png" else _jpeg_tricks(data) if facts.format == "jpeg" else ())
    turned = told(data).orientation
    if turned != 1:
        out.append(
            Flag(
                "orientation",
                0,
                f"EXIF orientation {turned}: people see it turned or mirrored, a model that ignores it does not",
            )
        )
    if facts.bits == 16:
        out.append(Flag("sixteen-bit", 0, "16 bits a channel: programs bring it to 8 in different ways"))
    return tuple(out)


def _png_tricks(data: bytes) -> Iterator[Flag]:
    seen = {
        kind: (offset, body) for kind, offset, body in _png.chunks(data) if kind in (b"gAMA", b"cHRM", b"sRGB", b"cICP")
    }
    if (
        b"sRGB" in seen
    ):  # programs that honour it pass over the other two; those that do not honour colour pass over all
        rest = [kind for kind in (b"gAMA", b"cHRM") if kind in seen and not _usual(kind, seen[kind][1])]
        if not rest:
            return
    for kind in (b"gAMA", b"cHRM"):
        if kind in seen and not _usual(kind, seen[kind][1]):
            yield Flag(
                "gamma" if kind == b"gAMA" else "chromaticities", seen[kind][0], f"{kind.decode()} is not that of sRGB"
            )
    if b"cICP" in seen and seen[b"cICP"][1][:2] != b"\x01\x0d":
        yield Flag("colour-code", seen[b"cICP"][0], "cICP names another colour space than sRGB")


def _usual(kind: bytes, body: bytes) -> bool:
    if kind == b"gAMA":
        return len(body) == 4 and _USUAL_GAMMA[0] <= int.from_bytes(body, "big") <= _USUAL_GAMMA[1]
    values = [int.from_bytes(body[i : i + 4], "big") for i in range(0, 32, 4)]
    return len(body) == 32 and all(abs(v - s) <= _NEAR for v, s in zip(values, _SRGB, strict=True))


def _jpeg_tricks(data: bytes) -> Iterator[Flag]:
    jfif, adobe, ids = False, -1, b""
    for segment in _jpeg.segments(data):
        if segment.marker == 0xE0 and segment.body.startswith(b"JFIF\0"):
            jfif = True
        elif segment.marker == 0xEE and segment.body.startswith(b"Adobe") and len(segment.body) >= 12:
            adobe = segment.body[11]
        elif segment.marker in (0xC0, 0xC1, 0xC2):
            ids = segment.body[6::3]
    if len(ids) == 4:
        yield Flag("four-channels", 0, "CMYK or YCCK: programs convert it to RGB in different ways, some inverted")
    elif len(ids) == 3 and jfif and adobe == 0:
        yield Flag(
            "colour-contradiction", 0, "JFIF says YCbCr and an Adobe marker says RGB: decoders follow one or the other"
        )
    elif len(ids) == 3 and adobe not in (0, 1) and not jfif and ids not in (_YCBCR, b"\x00\x01\x02"):
        yield Flag("colour-guess", 0, "nothing says whether it is RGB or YCbCr: decoders guess by component names")
    elif len(ids) == 3 and ids == _RGB and (jfif or adobe == 1):
        yield Flag("colour-contradiction", 0, "components are named R, G, B though a marker says YCbCr")
