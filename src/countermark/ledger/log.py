"""The writer of a log: appends leaves durably and gives receipts. It never learns what a leaf means.

Order of one commit, and why a crash between any two steps loses nothing that was promised:

1. the new tree head is signed and checked against the log's own key;
2. the store makes tiles, entry bundles and head durable in one step, only if the head that this writer
   went on from still stands: this is the commit;
3. receipts are given; partial tiles that a full one replaced are dropped.

Opening reads the checkpoint and only what it covers. After a failure in step 2 it is unknown which
checkpoint stands, so the log refuses to sign another one until it is reopened: signing on would risk
a fork.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

from countermark import merkle
from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.checkpoint import Checkpoint, issue
from countermark.ledger.cosignature import with_cosignatures
from countermark.ledger.groups import GroupCommit
from countermark.ledger.note import NoteKey, NoteSignature
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import Receipt
from countermark.ledger.stores.protocol import Object, Store
from countermark.ledger.tiles import (
    MAX_ENTRY_BYTES,
    WIDTH,
    Tile,
    bundle_path,
    encode_bundle,
    partials_folder,
    tile_path,
)
from countermark.ledger.tree import Edge, TileKey, Tree

Sign = Callable[[bytes], bytes]
GROUP_LIMIT = 1000
GATHER_S = 0.002
_NONE = Tile(())


class Log:
    """The one writer of a log. Use it in a ``with`` statement; threads may share it.

    Made by `create` or `open`, which take the store's lock and keep it until `close`.
    """

    def __init__(self, store: Store, key: NoteKey, sign: Sign) -> None:
        """Not to be called directly: this takes no lock and reads nothing."""
        self._store = store
        self._key = key
        self._sign = sign
        self._reader = LogReader(store, key)
        self._held = contextlib.ExitStack()
        self._groups: GroupCommit[bytes, Receipt] = GroupCommit(self._commit, limit=GROUP_LIMIT, gather_s=GATHER_S)
        self._edge = Edge(0, ())
        self._tail = b""  # the unfinished last bundle
        self._checkpoint: Checkpoint | None = None

    @classmethod
    def create(cls, store: Store, key: NoteKey, sign: Sign, *, wait_s: float = 0.0) -> Log:
        """Begin a log: sign the empty tree.

        Args:
            key: verifying key; its name is the origin. sign: Ed25519 over the bytes given, 64 bytes.
            wait_s: seconds to wait for another writer.

        Raises:
            LedgerRefused: there is a log already, or `sign` does not belong to `key`.
            Unusable: another writer holds the log, or it cannot be written.
        """
        log = cls(store, key, sign)
        with log._locked(wait_s):
            if log._reader.exists():
                raise LedgerRefused(
                    "there is a log here already", why=f"{key.name!r} will not replace it", mend="open it"
                )
            log._advance(log._edge, [], None)
        return log

    @classmethod
    def open(cls, store: Store, key: NoteKey, sign: Sign, *, wait_s: float = 0.0) -> Log:
        """Go on with a log from its checkpoint.

        Raises:
            LedgerRefused: no checkpoint, signed by another key, or its tiles do not lead to its root.
            Unusable: another writer holds the log, or it cannot be read or written.
        """
        log = cls(store, key, sign)
        with log._locked(wait_s):
            log._recover(log._reader.checkpoint())
        return log

    @classmethod
    def take_over(
        cls, store: Store, keys: tuple[NoteKey, NoteKey], sign: Sign, *, most: int, wait_s: float = 0.0
    ) -> None:
        """Sign the newest head of a log with the key that replaces the one it was signed with; cosignatures end.

        Args:
            keys: the old key and the new one. sign: by the new one. most: entries up to which the old one counts.

        Raises:
            LedgerRefused: the old key did not sign it, it holds more entries, or its tiles do not lead to its root.
            Unusable: another writer holds the log, or it cannot be read or written.
        """
        log = cls(store, keys[0], sign)
        with log._locked(wait_s):
            checkpoint = log._reader.checkpoint()
            if checkpoint.size > most:
                raise LedgerRefused(
                    f"the replaced ledger key signed {checkpoint.size} entries, and counts for {most}",
                    why="entries came after its revocation was drafted, or somebody else used it",
                    mend=f"`countermark party revoke PARTY --key ID --from-leaf {checkpoint.size}` if all are yours; "
                    "otherwise restore the ledger as it was before",
                )
            log._recover(checkpoint)
        with log:
            log._key = keys[1]
            log._advance(log._edge, [], checkpoint.note)

    @property
    def reader(self) -> LogReader:
        """For entries, proofs and later receipts."""
        return self._reader

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest durable checkpoint.

        Raises:
            Unusable: the log is closed, or a write failed half way.
        """
        if self._checkpoint is None:
            raise Unusable(
                f"log {self._key.name!r} is closed, or a write failed half way", mend="reopen it: nothing is lost"
            )
        return self._checkpoint

    def append(self, leaves: Sequence[bytes]) -> list[Receipt]:
        """Append leaves in order, durably; concurrent calls share one commit.

        The leaves of one call get consecutive indices under one checkpoint. A call that raises may
        still have been kept: `reader.find` tells after reopening.

        Args:
            leaves: entries of 0 to 65,535 bytes.

        Returns:
            One receipt per leaf, every one against the checkpoint that the call's commit published.

        Raises:
            LedgerRefused: a leaf is too long. Unusable: it could not be written; see `mend`.
        """
        for leaf in leaves:
            if len(leaf) > MAX_ENTRY_BYTES:
                raise LedgerRefused(f"a leaf of {len(leaf)} bytes", why=f"the limit is {MAX_ENTRY_BYTES}")
        return self._groups.submit(leaves) if leaves else []

    def cosigned(self, lines: Sequence[NoteSignature]) -> Checkpoint:
        """Publish the newest head with further cosignatures, which the caller has verified.

        Raises:
            Unusable: it could not be written; the head stands as it was or as it is now.
        """
        before = self.checkpoint
        return self._commit_head([], with_cosignatures(before, lines), before.note)

    def close(self) -> None:
        """Let go of the lock; twice is harmless."""
        self._checkpoint = None
        self._held.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _commit(self, leaves: list[bytes]) -> list[Receipt]:
        before = self.checkpoint
        edge, tiles = self._edge.grow([merkle.RFC6962.leaf(leaf) for leaf in leaves])
        bundles, tail = self._bundles(leaves)
        objects = [(tile_path(level, at, len(t.hashes)), t.to_bytes()) for (level, at), t in tiles.items()]
        checkpoint = self._advance(edge, [*objects, *bundles], before.note)
        self._tidy([key for key in self._edge.tiles() if len(tiles.get(key, _NONE).hashes) == WIDTH])
        self._edge, self._tail = edge, tail
        # A proof of a new leaf runs through tiles that are new themselves or lie on the edge: no reading back.
        near = edge.tiles() | tiles
        proofs = Tree(edge.size, lambda level, at: near[level, at]).inclusions(before.size, edge.size)
        return [Receipt(before.size + at, proof, checkpoint.note) for at, proof in enumerate(proofs)]

    def _bundles(self, leaves: list[bytes]) -> tuple[list[Object], bytes]:
        """New or wider bundles, and the last one where it is unfinished."""
        first, begun = divmod(self._edge.size, WIDTH)
        room = WIDTH - begun
        parts = [self._tail + encode_bundle(leaves[:room])]
        parts += [encode_bundle(leaves[at : at + WIDTH]) for at in range(room, len(leaves), WIDTH)]
        last = (begun + len(leaves) - 1) % WIDTH + 1
        widths = [WIDTH] * (len(parts) - 1) + [last]
        objects = [(bundle_path(first + at, width), parts[at]) for at, width in enumerate(widths)]
        return objects, parts[-1] if last < WIDTH else b""

    def _advance(self, edge: Edge, objects: Sequence[Object], replaces: bytes | None) -> Checkpoint:
        """Sign the tree that `edge` stands for, and commit it."""
        self._checkpoint = None
        return self._commit_head(objects, issue(edge.size, edge.root(), self._key, self._sign), replaces)

    def _commit_head(self, objects: Sequence[Object], checkpoint: Checkpoint, replaces: bytes | None) -> Checkpoint:
        """Commit a head; until that succeeded the log is unusable, even if this thread is interrupted in between."""
        self._checkpoint = None
        try:
            self._store.commit(objects, checkpoint.note, replaces)
        except OSError as error:
            raise self._unwritable(error) from error
        self._checkpoint = checkpoint
        return checkpoint

    def _unwritable(self, error: OSError) -> Unusable:
        return Unusable(
            f"log {self._key.name!r} cannot be written", why=str(error),
            mend="make room or mend the place it is kept in, then reopen",
        )  # fmt: skip

    def _tidy(self, filled: Sequence[TileKey]) -> None:
        """Drop the partial forms of tiles that are full now, and of the bundle of entries below the first."""
        paths = [tile_path(*key) for key in filled] + [bundle_path(index) for level, index in filled if level == 0]
        for path in paths:
            # Partial tiles may stay for ever (tlog-tiles); the receipt must not fail for their sake.
            with contextlib.suppress(OSError):
                self._store.discard(partials_folder(path))

    def _recover(self, checkpoint: Checkpoint) -> None:
        size = checkpoint.size
        self._edge = Edge.load(size, self._reader.tree(size).fetch)
        if self._edge.root() != checkpoint.root:
            raise LedgerRefused(
                f"the tiles of log {checkpoint.origin!r} do not lead to its checkpoint",
                why=f"computed root {self._edge.root().hex()}, signed {checkpoint.root.hex()}",
                mend="restore the folder from a copy; receipts already given stay valid",
            )
        tail = list(self._reader.entries(size - size % WIDTH, size, size=size))
        if [merkle.RFC6962.leaf(entry) for entry in tail] != self._edge.hashes(0):
            raise LedgerRefused(f"the newest entries of log {checkpoint.origin!r} differ from its tree")
        self._tail, self._checkpoint = encode_bundle(tail), checkpoint

    @contextlib.contextmanager
    def _locked(self, wait_s: float) -> Iterator[None]:
        """Take the writer's lock, and keep it after the block unless the block raises."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._store.lock(wait_s))
            except OSError as error:
                raise self._unwritable(error) from error
            yield
            self._held = stack.pop_all()
