"""Auditing a whole log: every entry, every tile, one signed root. Works on any tlog-tiles log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader, Readable
from countermark.ledger.tiles import WIDTH, Tile, tile_path
from countermark.ledger.tree import Edge, TileKey


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit showed: all entries of the log at `checkpoint` are there and hash to its root."""

    checkpoint: Checkpoint
    tiles: int


def audit(store: Readable, key: NoteKey, *, progress: Callable[[int, int], None] | None = None) -> Audited:
    """Read a log from its first entry to its newest checkpoint and recompute everything.

    1. the checkpoint is signed by `key`; 2. every entry bundle is whole; 3. every tile that the tree
    has equals the recomputed one; 4. the root is the signed one. O(n) time, O(log n) memory.

    Args:
        progress: called with (entries done, entries in all).

    Raises:
        LedgerRefused: a step fails; the message names the tile or bundle. Unusable: a file cannot be read.
    """
    reader = LogReader(store, key)
    checkpoint = reader.checkpoint()
    size, tree = checkpoint.size, reader.tree(checkpoint.size)
    edge, compared = Edge(0, ()), 0
    while edge.size < size:
        entries = reader.bundle(edge.size // WIDTH, size)
        edge, tiles = edge.grow([merkle.RFC6962.leaf(entry) for entry in entries])
        # Tiles that are not full yet belong to this size only at the very end.
        due = tiles if edge.size == size else {at: tile for at, tile in tiles.items() if len(tile.hashes) == WIDTH}
        compared += _compare(due | (edge.tiles() if edge.size == size else {}), tree.fetch)
        if progress is not None:
            progress(edge.size, size)
    if edge.root() != checkpoint.root:
        raise LedgerRefused(
            f"the entries of log {checkpoint.origin!r} do not lead to its checkpoint",
            why=f"computed root {edge.root().hex()}, signed {checkpoint.root.hex()}",
        )
    return Audited(checkpoint, compared)


def _compare(tiles: dict[TileKey, Tile], fetch: Callable[[int, int], Tile]) -> int:
    for (level, index), tile in tiles.items():
        if fetch(level, index).hashes[: len(tile.hashes)] != tile.hashes:
            raise LedgerRefused(
                f"tile {tile_path(level, index, len(tile.hashes))} differs from the entries below it",
                why="the folder was altered or is damaged",
            )
    return len(tiles)
