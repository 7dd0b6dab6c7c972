"""JPEG structure. Source: ITU-T T.81, annex B."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from countermark.formats._picture import Flag, Walked, take
from countermark.formats.limits import Malformed

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_MAX_SEGMENTS = 1 << 20


@dataclass(slots=True)
class _State:
    size: tuple[int, int, int, int] | None = None
    size_at: int = 0
    scans: int = 0
    flags: list[Flag] = field(default_factory=list)


def walk(data: bytes) -> Walked:
    """Walk every segment and scan to the end-of-image marker.

    Raises:
        Malformed: cut short, no frame or two frames, lossless or 12-bit coding, height left open.
    """
    state = _State()
    for segment in segments(data):
        if segment.marker in _FRAMES:
            _frame(state, segment.marker, segment.body, segment.at)
        elif segment.marker == 0xDA:
            state.scans += 1
        end = segment.end
    return _finish(state, end)


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment: its marker, where it starts, its content, and the byte after it and its scan.

    `at` is where its length stands: fill bytes may lie before the marker.
    """

    marker: int
    start: int
    at: int
    body: bytes
    end: int


def segments(data: bytes) -> Iterator[Segment]:
    """Every segment after the start of the image, up to and with the end-of-image marker.

    Raises:
        Malformed: cut short, bytes that are no marker where one must stand.
    """
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        start, (marker, offset) = offset, _marker(data, offset)
        if marker == 0xD9:
            yield Segment(marker, start, offset, b"", offset)
            return
        if marker in _ALONE:
            yield Segment(marker, start, offset, b"", offset)
            continue
        size = int.from_bytes(take(data, offset, 2, "a segment length"), "big")
        if size < 2:
            raise Malformed("jpeg-segment", f"a segment of {size} bytes", offset=offset)
        body = take(data, offset + 2, size - 2, f"segment ff{marker:02x}")
        at, offset = offset, offset + size
        if marker == 0xDA:
            offset = _skip_scan(data, offset)
        yield Segment(marker, start, at, body, offset)
    raise Malformed("jpeg-segment", f"more than {_MAX_SEGMENTS} segments", offset=offset)


def _marker(data: bytes, offset: int) -> tuple[int, int]:
    if take(data, offset, 1, "a marker") != b"\xff":
        raise Malformed("jpeg-marker", f"byte {data[offset]:02x} where a marker must stand", offset=offset)
    while data[offset : offset + 1] == b"\xff":  # fill bytes
        offset += 1
    marker = take(data, offset, 1, "a marker")[0]
    if marker in (0x00, 0xD8):
        raise Malformed("jpeg-marker", f"marker ff{marker:02x} may not stand here", offset=offset)
    return marker, offset + 1


def _frame(state: _State, marker: int, body: bytes, offset: int) -> None:
    if state.size is not None:
        raise Malformed("jpeg-frames", "a second frame header", offset=offset, why="readers disagree on the size")
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise Malformed("jpeg-frame", f"a frame header of {len(body)} bytes", offset=offset)
    bits, height, width = body[0], int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if marker not in (0xC0, 0xC1, 0xC2) or bits != 8 or body[5] not in (1, 3, 4):
        raise Malformed("jpeg-coding", f"coding ff{marker:02x} with {bits} bits is not read here", offset=offset)
    if height == 0:
        raise Malformed("jpeg-height", "the height is left to the first scan", offset=offset + 3)
    state.size, state.size_at = (width, height, bits, body[5]), offset + 3


def _skip_scan(data: bytes, offset: int) -> int:
    """First marker after entropy-coded data; stuffed zeros and restart markers belong to the scan."""
    while (at := data.find(b"\xff", offset)) >= 0:
        following = data[at + 1 : at + 2]
        if not following:
            break
        if following[0] not in (0x00, *range(0xD0, 0xD8)):
            return at
        offset = at + 2
    raise Malformed("truncated", "the file ends inside a scan", offset=len(data), mend="send the whole file")


def _finish(state: _State, offset: int) -> Walked:
    if state.size is None or state.scans == 0:
        raise Malformed("jpeg-no-pixels", "no frame or no scan before the end of the picture", offset=offset)
    width, height, bits, channels = state.size
    return Walked(width, height, bits, channels, 1, offset, state.size_at, tuple(state.flags))
