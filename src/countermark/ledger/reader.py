"""Reading a log, one's own or another party's: checkpoint, entries, receipts and proofs, no lock needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from countermark import merkle
from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint
from countermark.ledger.note import MAX_NOTE_BYTES, NoteKey
from countermark.ledger.receipt import Receipt
from countermark.ledger.tiles import (
    CHECKPOINT_PATH,
    MAX_BUNDLE_BYTES,
    MAX_TILE_BYTES,
    WIDTH,
    Tile,
    bundle_path,
    decode_bundle,
    tile_path,
    tile_width,
)
from countermark.ledger.tree import Tree

_CACHED_TILES = 256


class Readable(Protocol):
    """What reading asks of a store, which may be somebody else's."""

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Store.read`."""
        ...


class LogReader:
    """A log in a store, trusted no further than the key that signs its checkpoints."""

    def __init__(self, store: Readable, key: NoteKey) -> None:
        self._store = store
        self._key = key
        self._tiles: OrderedDict[tuple[int, int, int], Tile] = OrderedDict()

    @property
    def key(self) -> NoteKey:
        """The key that signs this log's checkpoints."""
        return self._key

    def exists(self) -> bool:
        """Whether the store holds a checkpoint at all, whoever signed it."""
        return self.note() is not None

    def note(self) -> bytes | None:
        """The newest checkpoint as it lies there, nothing verified; None where there is none."""
        return self._read(CHECKPOINT_PATH, MAX_NOTE_BYTES)

    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint, its signature verified.

        Raises:
            LedgerRefused: there is none, or it is not signed by the log's key.
        """
        note = self.note()
        if note is None:
            raise LedgerRefused(f"log {self._key.name!r} has no checkpoint", why="without one, nothing in it counts")
        return verify_checkpoint(note, self._key)

    def tree(self, size: int) -> Tree:
        """The tree of the first `size` leaves; its hashes count only where they lead to a signed root."""
        return Tree(size, lambda level, index: self._tile(level, index, size))

    def entries(self, start: int, end: int, *, size: int) -> Iterator[bytes]:
        """Entries [start, end) of the tree of `size` leaves as stored, not checked against any root.

        Raises:
            LedgerRefused: a bundle is missing or malformed, or the range is not in the tree.
        """
        if not 0 <= start <= end <= size:
            raise LedgerRefused(f"entries {start} to {end} are not in a log of {size}")
        while start < end:
            bundle = self.bundle(start // WIDTH, size)
            stop = min(end, (start // WIDTH + 1) * WIDTH)
            yield from bundle[start % WIDTH : start % WIDTH + stop - start]
            start = stop

    def bundle(self, index: int, size: int) -> list[bytes]:
        """The 1 to 256 entries of one bundle in the tree of `size` leaves.

        Raises:
            LedgerRefused: missing or malformed.
        """
        width = tile_width(0, index, size)
        for wide in self._widths(0, index, width):
            data = self._read(bundle_path(index, wide), MAX_BUNDLE_BYTES)
            if data is not None:
                return decode_bundle(data, wide)[:width]
        raise LedgerRefused(f"entry bundle {bundle_path(index, width)} is missing")

    def receipt(self, index: int, checkpoint: Checkpoint | None = None) -> Receipt:
        """A receipt for entry `index` against `checkpoint` (default: the newest), checked before it is given.

        Raises:
            LedgerRefused: no such entry, or a tile is damaged.
        """
        checkpoint = checkpoint or self.checkpoint()
        tree = self.tree(checkpoint.size)
        proof = tree.inclusion(index)
        merkle.verify_inclusion(tree.subtree(0, index), index, checkpoint.size, proof, checkpoint.root)
        return Receipt(index, tuple(proof), checkpoint.note)

    def consistency(self, old_size: int, checkpoint: Checkpoint | None = None) -> list[bytes]:
        """Proof that `checkpoint` (default: the newest) extends the log's first `old_size` entries.

        Raises:
            LedgerRefused: the log is smaller than that, or a tile is missing.
        """
        return self.tree((checkpoint or self.checkpoint()).size).consistency(old_size)

    def find(self, leaf: bytes, *, size: int | None = None) -> int | None:
        """Index of the newest entry equal to `leaf`, or None. Reads tiles from the end backwards, O(n).

        Args:
            size: how many entries to search; default all that the newest checkpoint covers.
        """
        size = self.checkpoint().size if size is None else size
        wanted = merkle.RFC6962.leaf(leaf)
        for index in range((size - 1) // WIDTH, -1, -1) if size else ():
            hashes = self._tile(0, index, size).hashes[: tile_width(0, index, size)]
            if wanted in hashes:
                return index * WIDTH + len(hashes) - 1 - hashes[::-1].index(wanted)
        return None

    def _tile(self, level: int, index: int, size: int) -> Tile:
        width = tile_width(level, index, size)
        for kept in ((level, index, width), (level, index, WIDTH)):
            if kept in self._tiles:
                self._tiles.move_to_end(kept)
                return self._tiles[kept]
        for wide in self._widths(level, index, width):
            data = self._read(tile_path(level, index, wide), MAX_TILE_BYTES)
            if data is not None:
                return self._remember(level, index, Tile.from_bytes(data, wide))
        raise LedgerRefused(f"tile {tile_path(level, index, width)} is missing")

    def _widths(self, level: int, index: int, width: int) -> Iterator[int]:
        """Widths in which a tile of `width` may be found, as the beginning of a wider one too.

        A partial one may go once the full one is there; one that came and went between two looks may not be kept.
        """
        yield width
        if width < WIDTH:
            yield WIDTH
            newest = tile_width(level, index, self.checkpoint().size)
            if width < newest:
                yield newest

    def _remember(self, level: int, index: int, tile: Tile) -> Tile:
        """Keep a tile: one of a certain width never changes, in a log that only grows."""
        self._tiles[level, index, len(tile.hashes)] = tile
        if len(self._tiles) > _CACHED_TILES:
            self._tiles.popitem(last=False)
        return tile

    def _read(self, name: str, limit: int) -> bytes | None:
        try:
            return self._store.read(name, limit)
        except OSError as error:
            raise Unusable(f"the ledger's {name} cannot be read", why=str(error)) from error
