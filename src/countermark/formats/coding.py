"""How a picture file is coded, and by what it says it was taken: format, depth, JPEG quality and subsampling, camera, time.

Sources: ITU-T T.81, annexes B and K (quantisation tables; the quality scale is the Independent JPEG Group's); CIPA DC-008.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from countermark.errors import FormatRefused
from countermark.formats import _jpeg, exif
from countermark.formats.identifiers import blocks
from countermark.formats.image import sniff

_STANDARD_SUM = 3688  # of the 64 luminance steps of table K.1
_MAKE, _MODEL, _TAKEN = 0x010F, 0x0110, 0x9003
_TIME = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_FRAMES = (0xC0, 0xC1, 0xC2)


@dataclass(frozen=True, slots=True)
class Coding:
    """What a file says of itself.

    Attributes:
        format: as `ImageFacts.format`. width, height: pixels. bits, channels: as there.
        quality: 1 to 100 on the Independent JPEG Group's scale, nearest to the luminance table (below about 20 it reads
            higher: steps end at 255); 0 where it is no JPEG.
        subsampling: ``4:4:4``, ``4:2:2``, ``4:2:0`` or the first component's factors; empty where there is none.
        camera: first 16 hex digits of SHA-256 over EXIF make and model, empty where neither is given; no name is repeated.
        taken: EXIF time of taking as ``YYYY-MM-DD HH:MM:SS``, or empty.
    """

    format: str
    width: int
    height: int
    bits: int
    channels: int
    quality: int = 0
    subsampling: str = ""
    camera: str = ""
    taken: str = ""


def coding(data: bytes) -> Coding:
    """Read one encoded picture; EXIF that does not parse says nothing.

    Raises:
        FormatRefused: it is no readable picture.
    """
    facts = sniff(data)
    quality, subsampling = _jpeg_told(data) if facts.format == "jpeg" else (0, "")
    camera, taken = _exif_told(data)
    return Coding(
        facts.format, facts.width, facts.height, facts.bits, facts.channels, quality, subsampling, camera, taken
    )


def _jpeg_told(data: bytes) -> tuple[int, str]:
    tables: dict[int, int] = {}
    subsampling, chosen = "", 0
    for segment in _jpeg.segments(data):
        if segment.marker == 0xDB:
            tables |= _tables(segment.body)
        elif segment.marker in _FRAMES and len(segment.body) >= 9:
            factors, chosen = segment.body[7], segment.body[8]
            subsampling = _sampled(factors) if segment.body[5] > 1 else ""
        elif segment.marker == 0xDA:
            break
    return _quality(tables.get(chosen, 0)), subsampling


def _tables(body: bytes) -> dict[int, int]:
    """Number of each quantisation table of a segment -> the sum of its 64 steps; what is cut short is passed over."""
    out, at = {}, 0
    while at < len(body):
        wide = 2 if body[at] >> 4 else 1
        steps = body[at + 1 : at + 1 + 64 * wide]
        if len(steps) < 64 * wide:
            break
        out[body[at] & 15] = sum(int.from_bytes(steps[i : i + wide], "big") for i in range(0, len(steps), wide))
        at += 1 + 64 * wide
    return out


def _quality(total: int) -> int:
    if not total:
        return 0
    scale = 100 * total / _STANDARD_SUM
    return max(1, min(100, round((200 - scale) / 2 if scale <= 100 else 5000 / scale)))


def _sampled(factors: int) -> str:
    across, down = factors >> 4, factors & 15
    return {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}.get((across, down), f"{across}x{down}")


def _exif_told(data: bytes) -> tuple[str, str]:
    named: dict[int, bytes] = {}
    for block in blocks(data):
        if block.what != "exif":
            continue
        try:
            tags = exif.read(block.body).tags
        except FormatRefused:
            continue
        named |= {t.number: t.value for t in tags if t.directory in ("image", "exif") and not t.empty}
    maker = b"\0".join(named.get(number, b"").strip(b"\0 ") for number in (_MAKE, _MODEL))
    time = _TIME.match(named.get(_TAKEN, b""))
    taken = "{}-{}-{} {}:{}:{}".format(*(part.decode() for part in time.groups())) if time else ""
    return (hashlib.sha256(maker).hexdigest()[:16] if maker.strip(b"\0") else ""), taken
