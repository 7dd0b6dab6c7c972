"""Proofs from tiles equal proofs from plain lists, at sizes around every tile border."""

from __future__ import annotations

import pytest

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.tiles import Tile, tile_width, top_level
from countermark.ledger.tree import Edge, Tree

HASHES = [merkle.RFC6962.leaf(n.to_bytes(4, "big")) for n in range(66_200)]


def _grown(*sizes: int) -> tuple[Edge, dict[tuple[int, int], Tile]]:
    edge, tiles = Edge(0, ()), {}
    for size in sizes:
        edge, new = edge.grow(HASHES[edge.size : size])
        tiles |= new
    return edge, tiles


@pytest.mark.parametrize("sizes", [(1,), (255,), (256,), (257,), (300, 512), (1, 2, 255, 256, 700), (513, 513, 1023)])
def test_proofs_equal_those_over_the_list(sizes: tuple[int, ...]) -> None:
    edge, tiles = _grown(*sizes)
    size = sizes[-1]
    tree = Tree(size, lambda level, index: tiles[level, index])
    assert edge.root() == tree.root() == merkle.root(HASHES[:size])
    sample = sorted({0, size // 2, size - 1, *range(max(0, size - 3), size)})
    for index in sample:
        assert tree.inclusion(index) == merkle.inclusion_proof(HASHES[:size], index)
        if index:
            assert tree.consistency(index) == merkle.consistency_proof(HASHES[:size], index)
    assert tree.inclusions(0, size) == [tuple(tree.inclusion(index)) for index in range(size)]
    assert tree.consistency(0) == []


@pytest.mark.parametrize("size", [65_536, 65_537, 66_200])
def test_three_levels(size: int) -> None:
    edge, tiles = _grown(1000, size)
    tree, root = Tree(size, lambda level, index: tiles[level, index]), merkle.root(HASHES[:size])
    assert edge.root() == tree.root() == root
    for index in (0, 999, 1000, 65_535, size - 1):
        merkle.verify_inclusion(HASHES[index], index, size, tree.inclusion(index), root)
    for old in (1, 1000, 65_535, size):
        merkle.verify_consistency(old, size, merkle.root(HASHES[:old]), root, tree.consistency(old))


def test_tiles_have_the_widths_of_the_specification() -> None:
    _, tiles = _grown(66_200)
    wanted = {
        (level, index): tile_width(level, index, 66_200)
        for level in range(top_level(66_200) + 1)
        for index in range(300)
        if tile_width(level, index, 66_200)
    }
    assert {key: len(tile.hashes) for key, tile in tiles.items()} == wanted


@pytest.mark.parametrize("size", [0, 1, 256, 600, 65_536, 66_000])
def test_an_edge_loads_as_it_was(size: int) -> None:
    edge, tiles = _grown(size)
    again = Edge.load(size, lambda level, index: tiles[level, index])
    assert again.root() == edge.root()
    assert again.tiles().keys() == edge.tiles().keys()
    more, _ = again.grow(HASHES[size : size + 200])
    assert more.root() == merkle.root(HASHES[: size + 200])


def test_growing_leaves_the_old_edge_as_it_was() -> None:
    edge, _ = _grown(300)
    root = edge.root()
    edge.grow(HASHES[300:600])
    assert (edge.size, edge.root()) == (300, root)


def test_a_range_outside_the_tree_is_refused() -> None:
    _, tiles = _grown(10)
    tree = Tree(10, lambda level, index: tiles[level, index])
    for start, end in ((-1, 3), (3, 11), (4, 3)):
        with pytest.raises(LedgerRefused, match="not in a tree of 10"):
            tree.inclusions(start, end)
