"""A tree of known size over tiles: its root, its proofs, and how it grows.

`Tree` looks hashes up through a function, so the same code proves from files, from memory and from
another party's log. `Edge` is the unfinished right side of the tree, all that a writer must keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.tiles import HEIGHT, WIDTH, Tile, tile_width, top_level

TileKey = tuple[int, int]
FetchTile = Callable[[int, int], Tile]


@dataclass(frozen=True, slots=True)
class Tree:
    """The first `size` leaves of a log.

    Attributes:
        size: number of leaves.
        fetch: tile by (level, index), at least as wide as this size needs.
    """

    size: int
    fetch: FetchTile

    def subtree(self, level: int, index: int) -> bytes:
        """Hash of the perfect subtree over leaves [index << level, (index + 1) << level)."""
        tile_level, height = divmod(level, HEIGHT)
        first = index << height
        return self.fetch(tile_level, first // WIDTH).row(height)[first % WIDTH >> height]

    def span(self, span: merkle.Span) -> bytes:
        """Hash over a leaf range of a proof."""
        return merkle.span_hash(span, self.subtree)

    def root(self) -> bytes:
        """RFC 6962 root."""
        return self.span((0, self.size))

    def inclusion(self, index: int) -> list[bytes]:
        """Inclusion proof of leaf `index`.

        Raises:
            LedgerRefused: no such leaf.
        """
        return [self.span(span) for span in merkle.inclusion_spans(index, self.size)]

    def consistency(self, old_size: int) -> list[bytes]:
        """Proof that this tree extends its first `old_size` leaves; empty from the empty tree.

        Raises:
            LedgerRefused: `old_size` is beyond this tree.
        """
        if old_size == 0:
            return []
        return [self.span(span) for span in merkle.consistency_spans(old_size, self.size)]

    def inclusions(self, start: int, end: int) -> list[list[bytes]]:
        """Inclusion proofs of leaves [start, end), cheaper than one by one.

        All leaves of one full tile share every hash above that tile.

        Raises:
            LedgerRefused: the range does not lie in the tree.
        """
        if not 0 <= start <= end <= self.size:
            raise LedgerRefused(f"leaves {start} to {end} are not in a tree of {self.size}")
        proofs: list[list[bytes]] = []
        while start < end:
            tile = start // WIDTH
            stop = min(end, (tile + 1) * WIDTH)
            if tile_width(0, tile, self.size) == WIDTH:
                shared = self.inclusion(start)[HEIGHT:]
                rows = [self.fetch(0, tile).row(height) for height in range(HEIGHT)]
                proofs += [_in_tile(rows, index % WIDTH) + shared for index in range(start, stop)]
            else:
                proofs += [self.inclusion(index) for index in range(start, stop)]
            start = stop
        return proofs


def _in_tile(rows: list[list[bytes]], position: int) -> list[bytes]:
    return [row[(position >> height) ^ 1] for height, row in enumerate(rows)]


@dataclass(frozen=True, slots=True)
class Edge:
    """The partial tiles on the right side of a tree of `size` leaves, lowest level first.

    Attributes:
        size: number of leaves.
        levels: for each tile level the 0 to 255 hashes that do not fill a tile yet.
    """

    size: int
    levels: tuple[tuple[bytes, ...], ...]

    @classmethod
    def load(cls, size: int, fetch: FetchTile) -> Edge:
        """Read the edge of an existing tree; nothing is checked here."""
        levels = []
        for level in range(top_level(size) + 1 if size else 0):
            full = size >> HEIGHT * (level + 1)
            width = tile_width(level, full, size)
            levels.append(tuple(fetch(level, full).hashes[:width]) if width else ())
        return cls(size, tuple(levels))

    def root(self) -> bytes:
        """Root of the tree, from the edge alone."""
        peaks: list[bytes] = []
        for hashes in reversed(self.levels):
            tile = Tile(hashes)
            peaks += [tile.row(height)[at] for height, at in merkle.perfect_subtrees((0, len(hashes)))]
        return merkle.fold(peaks) if peaks else merkle.RFC6962.empty()

    def grow(self, leaf_hashes: Sequence[bytes]) -> tuple[Edge, dict[TileKey, Tile]]:
        """The edge after appending, and every tile that the bigger tree has new or wider."""
        tiles: dict[TileKey, Tile] = {}
        levels: list[tuple[bytes, ...]] = []
        rising: list[bytes] = list(leaf_hashes)
        level, first = 0, self.size // WIDTH
        while rising or level < len(self.levels):
            hashes = [*(self.levels[level] if level < len(self.levels) else ()), *rising]
            changed = bool(rising)
            rising = []
            for at in range(0, len(hashes) if changed else 0, WIDTH):
                tile = tiles[level, first + at // WIDTH] = Tile(hashes[at : at + WIDTH])
                if len(tile.hashes) == WIDTH:
                    rising.append(tile.row(HEIGHT)[0])
            levels.append(tuple(hashes[len(hashes) // WIDTH * WIDTH :]))
            level, first = level + 1, first // WIDTH
        return Edge(self.size + len(leaf_hashes), tuple(levels)), tiles

    def tiles(self) -> dict[TileKey, Tile]:
        """The partial tiles themselves, by (level, index)."""
        found = ((level, self.size >> HEIGHT * (level + 1), hashes) for level, hashes in enumerate(self.levels))
        return {(level, index): Tile(hashes) for level, index, hashes in found if hashes}
