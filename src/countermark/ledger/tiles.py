"""Tiles and entry bundles: how a tree lies in files, as pure functions.

Source: C2SP tlog-tiles v0.1. A tile at level L holds up to 256 hashes of perfect subtrees of
256**L leaves; the rows between two tile levels are recomputed from it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from countermark import merkle
from countermark.errors import LedgerRefused

WIDTH = 256
HEIGHT = 8
HASH_BYTES = 32
MAX_ENTRY_BYTES = 0xFFFF
MAX_TILE_BYTES = WIDTH * HASH_BYTES
MAX_BUNDLE_BYTES = WIDTH * (2 + MAX_ENTRY_BYTES)
CHECKPOINT_PATH = "checkpoint"


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Path of a hash tile, such as ``tile/0/x001/x234/067.p/8``; full tiles have no suffix."""
    return f"tile/{level}/{_index_path(index)}{_suffix(width)}"


def bundle_path(index: int, width: int = WIDTH) -> str:
    """Path of an entry bundle, such as ``tile/entries/000.p/8``."""
    return f"tile/entries/{_index_path(index)}{_suffix(width)}"


def partials_folder(path: str) -> str:
    """Folder that holds the partial forms of the full tile or bundle at `path`."""
    return path + ".p"


def tile_width(level: int, index: int, size: int) -> int:
    """Number of hashes, 0 to 256, in tile (level, index) of a tree of `size` leaves."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def top_level(size: int) -> int:
    """Highest tile level that holds anything in a tree of `size` > 0 leaves."""
    return (size.bit_length() - 1) // HEIGHT


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each behind its length as a big-endian 16-bit number.

    Raises:
        LedgerRefused: an entry is longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise LedgerRefused(
                f"a ledger entry of {len(entry)} bytes", why=f"the limit is {MAX_ENTRY_BYTES}", mend="log a digest"
            )
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, count: int) -> list[bytes]:
    """The `count` entries of a bundle, and nothing behind them.

    Raises:
        LedgerRefused: too few entries, or bytes left over.
    """
    entries, at = [], 0
    for _ in range(count):
        if at + 2 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, at)
        if at + 2 + length > len(data):
            break
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if len(entries) != count or at != len(data):
        raise LedgerRefused(
            "an entry bundle is malformed", why=f"{len(entries)} of {count} entries in {at} of {len(data)} bytes"
        )
    return entries


class Tile:
    """The hashes of one tile, with the rows of the tree above them up to the tile's root."""

    __slots__ = ("_rows",)

    def __init__(self, hashes: Sequence[bytes]) -> None:
        """Args: hashes: 1 to 256 hashes of 32 bytes."""
        self._rows = [list(hashes)]

    def wider(self, hashes: Sequence[bytes]) -> Tile:
        """A tile of these hashes and more behind them, 256 at most; rows made so far are gone on with, not made anew."""
        tile = Tile(())
        tile._rows = [row.copy() for row in self._rows]
        tile._rows[0] += hashes
        for below, row in zip(tile._rows, tile._rows[1:], strict=False):
            row.extend(_parents(below, len(row)))
        return tile

    @classmethod
    def from_bytes(cls, data: bytes, width: int) -> Tile:
        """Parse a tile of `width` hashes.

        Raises:
            LedgerRefused: another length.
        """
        if len(data) != width * HASH_BYTES:
            raise LedgerRefused(f"a tile of {len(data)} bytes", why=f"{width} hashes take {width * HASH_BYTES}")
        return cls([data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)])

    @property
    def hashes(self) -> list[bytes]:
        """The hashes as stored."""
        return self._rows[0]

    def to_bytes(self) -> bytes:
        """The hashes as stored, one behind the other."""
        return b"".join(self._rows[0])

    def row(self, height: int) -> list[bytes]:
        """Hashes of the complete subtrees `height` (0 to 8) rows above the stored ones."""
        while len(self._rows) <= height:
            self._rows.append(_parents(self._rows[-1]))
        return self._rows[height]


def _parents(row: list[bytes], first: int = 0) -> list[bytes]:
    """Parents of a row's hashes from the `first` one on; an odd last hash has none yet."""
    pairs = zip(row[2 * first :: 2], row[2 * first + 1 :: 2], strict=False)
    return [merkle.RFC6962.node(left, right) for left, right in pairs]


def _index_path(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def _suffix(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
