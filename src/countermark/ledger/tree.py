"""A tree of known size over tiles: its root, its proofs, and how it grows.

`Tree` looks hashes up through a function, so the same code proves from files, from memory and from
another party's log. `Edge` is the unfinished right side of the tree, all that a writer must keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

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
        return self.prefix(self.size)

    def prefix(self, size: int) -> bytes:
        """RFC 6962 root of its first `size` leaves.

        Raises:
            LedgerRefused: it has fewer.
        """
        if not 0 <= size <= self.size:
            raise LedgerRefused(f"a tree of {self.size} leaves has no first {size}")
        return self.span((0, size))

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

    def inclusions(self, start: int, end: int) -> list[tuple[bytes, ...]]:
        """Inclusion proofs of leaves [start, end), cheaper than one by one.

        All leaves of one full tile share every hash above that tile.

        Raises:
            LedgerRefused: the range does not lie in the tree.
        """
        if not 0 <= start <= end <= self.size:
            raise LedgerRefused(f"leaves {start} to {end} are not in a tree of {self.size}")
        proofs: list[tuple[bytes, ...]] = []
        while start < end:
            tile = start // WIDTH
            stop = min(end, (tile + 1) * WIDTH)
            if tile_width(0, tile, self.size) == WIDTH:
                shared = tuple(self.inclusion(start)[HEIGHT:])
                inside = _proofs_in_tile(self.fetch(0, tile))[start % WIDTH : start % WIDTH + stop - start]
                proofs += [proof + shared for proof in inside]
            else:
                proofs += [tuple(self.inclusion(index)) for index in range(start, stop)]
            start = stop
        return proofs


# For each row of a full tile, the sibling on the way up from each of its 256 leaves.
_SIBLINGS = [itemgetter(*((position >> height) ^ 1 for position in range(WIDTH))) for height in range(HEIGHT)]


def _proofs_in_tile(tile: Tile) -> list[tuple[bytes, ...]]:
    return list(zip(*(siblings(tile.row(height)) for height, siblings in enumerate(_SIBLINGS)), strict=True))


@dataclass(frozen=True, slots=True)
class Edge:
    """The partial tiles on the right side of a tree of `size` leaves, lowest level first.

    Attributes:
        size: number of leaves.
        levels: for each tile level the tile of 1 to 255 hashes that is not full yet, or None.
    """

    size: int
    levels: tuple[Tile | None, ...]

    @classmethod
    def load(cls, size: int, fetch: FetchTile) -> Edge:
        """Read the edge of an existing tree; nothing is checked here."""
        levels = []
        for level in range(top_level(size) + 1 if size else 0):
            full = size >> HEIGHT * (level + 1)
            width = tile_width(level, full, size)
            levels.append(Tile(fetch(level, full).hashes[:width]) if width else None)
        return cls(size, tuple(levels))

    def hashes(self, level: int) -> list[bytes]:
        """Hashes at `level` that do not fill a tile yet, 0 to 255."""
        tile = self.levels[level] if level < len(self.levels) else None
        return tile.hashes if tile else []

    def tiles(self) -> dict[TileKey, Tile]:
        """The partial tiles by (level, index)."""
        return {(at, self.size >> HEIGHT * (at + 1)): tile for at, tile in enumerate(self.levels) if tile}

    def root(self) -> bytes:
        """Root of the tree, from the edge alone."""
        peaks: list[bytes] = []
        for tile in reversed(self.levels):
            if tile:
                peaks += [tile.row(height)[at] for height, at in merkle.perfect_subtrees((0, len(tile.hashes)))]
        return merkle.fold(peaks) if peaks else merkle.RFC6962.empty()

    def grow(self, leaf_hashes: Sequence[bytes]) -> tuple[Edge, dict[TileKey, Tile]]:
        """The edge after appending, and every tile that the bigger tree has new or wider."""
        tiles: dict[TileKey, Tile] = {}
        levels: list[Tile | None] = []
        rising: list[bytes] = list(leaf_hashes)
        level, first = 0, self.size // WIDTH
        while rising:
            grown = self._grown(level, rising)
            tiles |= {(level, first + at): tile for at, tile in enumerate(grown)}
            rising = [tile.row(HEIGHT)[0] for tile in grown if len(tile.hashes) == WIDTH]
            levels.append(grown[-1] if len(grown[-1].hashes) < WIDTH else None)
            level, first = level + 1, first // WIDTH
        return Edge(self.size + len(leaf_hashes), (*levels, *self.levels[level:])), tiles

    def _grown(self, level: int, hashes: list[bytes]) -> list[Tile]:
        """The tiles of one level that these hashes fill or begin."""
        edge = self.levels[level] if level < len(self.levels) else None
        room = WIDTH - len(edge.hashes) if edge else 0
        first = [edge.wider(hashes[:room])] if edge else []
        return first + [Tile(hashes[at : at + WIDTH]) for at in range(room, len(hashes), WIDTH)]
