"""GIF structure. Source: CompuServe GIF89a Specification, sections 17 to 27."""

from __future__ import annotations

from countermark.formats._picture import Flag, Walked, take
from countermark.formats.limits import Malformed

_MAX_BLOCKS = 1 << 20


def walk(data: bytes) -> Walked:
    """Walk every block to the trailer.

    Raises:
        Malformed: cut short, unknown block, no picture, a picture that leaves the screen.
    """
    head = take(data, 0, 13, "the header")
    width, height, packed = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"), head[10]
    offset, frames = 13 + _table(packed), 0
    for _ in range(_MAX_BLOCKS):
        kind = take(data, offset, 1, "a block")[0]
        if kind == 0x3B:
            return _finish(width, height, frames, offset + 1)
        if kind == 0x21:
            offset = _skip_blocks(data, offset + 2)
        elif kind == 0x2C:
            offset = _picture(data, offset, (width, height))
            frames += 1
        else:
            raise Malformed("gif-block", f"block {kind:02x} does not exist", offset=offset)
    raise Malformed("gif-block", f"more than {_MAX_BLOCKS} blocks", offset=offset)


def _table(packed: int) -> int:
    """Bytes of the colour table that a packed field announces."""
    return 3 * (2 << (packed & 7)) if packed & 0x80 else 0


def _picture(data: bytes, offset: int, screen: tuple[int, int]) -> int:
    head = take(data, offset, 10, "an image descriptor")
    left, top, wide, high = (int.from_bytes(head[i : i + 2], "little") for i in (1, 3, 5, 7))
    if left + wide > screen[0] or top + high > screen[1]:
        raise Malformed("gif-outside", f"a frame of {wide} x {high} leaves its screen", offset=offset)
    return _skip_blocks(data, offset + 10 + _table(head[9]) + 1)


def _skip_blocks(data: bytes, offset: int) -> int:
    while size := take(data, offset, 1, "a sub-block")[0]:
        take(data, offset + 1, size, "a sub-block")
        offset += 1 + size
    return offset + 1


def _finish(width: int, height: int, frames: int, end: int) -> Walked:
    if frames == 0:
        raise Malformed("gif-no-pixels", "no frame before the end of the picture", offset=end)
    flags = (Flag("animated", 0, f"an animation of {frames} frames; only the first is used"),) if frames > 1 else ()
    return Walked(width, height, 8, 1, frames, end, 6, flags)
