"""Paths, widths and bundles as tlog-tiles gives them."""

from __future__ import annotations

import pytest

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.tiles import (
    Tile,
    bundle_path,
    decode_bundle,
    encode_bundle,
    partials_folder,
    tile_path,
    tile_width,
    top_level,
)


def test_paths_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(0, 1234067, 8) == "tile/0/x001/x234/067.p/8"
    assert bundle_path(0, 15) == "tile/entries/000.p/15"
    assert bundle_path(999) == "tile/entries/999"
    assert bundle_path(1000) == "tile/entries/x001/000"
    assert tile_path(2, 1_000_000_000) == "tile/2/x001/x000/x000/000"
    assert partials_folder(tile_path(0, 5)) == "tile/0/005.p"


def test_widths_of_the_specification() -> None:
    """A tree of 70,000: 273 full and one of 112, one full and one of 17, one of 1."""
    assert [tile_width(0, n, 70_000) for n in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tile_width(1, n, 70_000) for n in (0, 1, 2)] == [256, 17, 0]
    assert [tile_width(2, n, 70_000) for n in (0, 1)] == [1, 0]
    assert tile_width(1, 0, 256) == 1
    assert [top_level(n) for n in (1, 255, 256, 65_535, 65_536, 70_000)] == [0, 0, 1, 1, 2, 2]


def test_bundles_round_trip() -> None:
    entries = [b"", b"a", b"x" * 65_535]
    assert decode_bundle(encode_bundle(entries), 3) == entries
    assert encode_bundle([b"one", b"two"]) == b"\x00\x03one\x00\x03two"


def test_an_entry_too_long_is_refused() -> None:
    with pytest.raises(LedgerRefused, match="65535"):
        encode_bundle([b"x" * 65_536])


@pytest.mark.parametrize(
    ("data", "count"),
    [(b"", 1), (b"\x00", 1), (b"\x00\x02a", 1), (b"\x00\x01a", 2), (b"\x00\x01ab", 1), (b"\x00\x01a\x00\x00", 1)],
)
def test_malformed_bundles(data: bytes, count: int) -> None:
    with pytest.raises(LedgerRefused, match="malformed"):
        decode_bundle(data, count)


def test_rows_of_a_partial_tile_hold_complete_subtrees_only() -> None:
    hashes = [merkle.RFC6962.leaf(bytes([n])) for n in range(11)]
    tile = Tile.from_bytes(Tile(hashes).to_bytes(), 11)
    assert [len(tile.row(height)) for height in range(5)] == [11, 5, 2, 1, 0]
    assert tile.row(3)[0] == merkle.root(hashes[:8])


def test_a_tile_of_another_length_is_refused() -> None:
    with pytest.raises(LedgerRefused, match="take 96"):
        Tile.from_bytes(bytes(95), 3)
