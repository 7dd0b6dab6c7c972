"""Staging a delivery: what was delivered is copied into private files, the copies are hashed, and every reason to refuse is collected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from countermark.artefact import shards
from countermark.artefact.dataset import METADATA, Dataset, describe
from countermark.artefact.folder import read_folder
from countermark.artefact.reading import Sink, Wants
from countermark.artefact.tree import Tree, TreeEntry, compare
from countermark.errors import Refusal, TreeRefused
from countermark.keys.document import Party
from countermark.lifecycle import parcel
from countermark.lifecycle.deliveries import DATA
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.parcel import Parcel
from countermark.workspace.disk import Disk

Progress = Callable[[int, int], None]
Contents = Iterator[tuple[str, bytes]]
Examine = Callable[[str, Dataset, Contents], Sequence[str]]
Read = Callable[[str, Sink, Wants, Progress | None], Tree]
"""(supplier, sink, wants, progress) -> the tree that was seen, each wanted file handed to the sink as it was hashed; refuses as `read_folder`."""
MOST_EXTRA_FILES = 10_000
MOST_EXTRA_BYTES = 1 << 30


def nothing_more(_supplier: str, _dataset: Dataset, _contents: Contents) -> Sequence[str]:
    """The examination of a receiver without a contract: no further reasons."""
    return ()


def plain(folder: Path) -> Read:
    """Reads what lies in a folder."""
    return lambda _party, sink, wants, progress: read_folder(folder, sink=sink, wants=wants, progress=progress)


def staged(
    desk: Desk, read: Read, piece: Parcel, party: Party, stage: Path, examine: Examine, progress: Progress | None
) -> list[str]:
    """Copy what was delivered into private files, hashing the copies, and collect every reason to refuse."""
    copy = _Copy(desk.space.disk, stage / DATA, piece.tree)
    try:
        seen = read(party.id, copy.keep, copy.wants, progress)
        copy.settle()
    except Refusal as refusal:
        copy.settle()
        return [refusal.what]
    reasons = [*parcel.too_large(seen), *(str(d) for d in compare(piece.tree, seen))]
    return reasons or _content_reasons(piece, party, seen, copy, examine)


class _Copy:
    """The private copy of a delivered folder, as it is written."""

    def __init__(self, disk: Disk, folder: Path, signed: Tree) -> None:
        self.folder = disk.folder(folder)
        self.metadata: dict[str, bytes] = {}
        self._disk = disk
        self._made = {folder}
        self._signed = frozenset(e.path for e in signed.entries)
        self._files_left = len(signed.entries) + MOST_EXTRA_FILES
        self._bytes_left = signed.total_bytes + MOST_EXTRA_BYTES

    def wants(self, path: str, size: int) -> bool:
        """Only what was signed is copied, so that nothing else can fill the disk; the rest is hashed, within limits.

        Raises:
            TreeRefused: far more files or bytes than were signed.
        """
        self._files_left -= 1
        self._bytes_left -= size
        if self._files_left < 0 or self._bytes_left < 0:
            raise TreeRefused("the folder holds far more files or bytes than were signed")
        return path in self._signed and size <= parcel.MAX_ROW_BYTES

    def keep(self, entry: TreeEntry, content: bytes) -> None:
        """Write one file; its name is durable after `settle`."""
        target = self.folder / entry.path
        if target.parent not in self._made:
            self._disk.folder(target.parent, staged=True)
            self._made.update(p for p in target.parents if self.folder in p.parents)
        self._disk.add(target, content, mode=0o700 if entry.executable else 0o600)
        if entry.path in METADATA:
            self.metadata[entry.path] = content

    def settle(self) -> None:
        """Make the names durable."""
        self._disk.settle(self._made)


def _content_reasons(piece: Parcel, party: Party, seen: Tree, copy: _Copy, examine: Examine) -> list[str]:
    # Rows inside shards are read once: whoever examines them holds them all, and each reading starts a confined process a shard.
    inside = None
    try:
        if shards.are_shards(seen):
            inside = list(shards.contents(copy.folder, seen))
            dataset = shards.dataset_of(inside)
        else:
            dataset = describe(seen, copy.metadata.__getitem__)
    except Refusal as refusal:
        return [refusal.what]
    if (dataset.layout, dataset.classes()) != (piece.delivery.layout, piece.delivery.classes):
        return ["the classes in the folder are not those of the signed statement"]
    outside = [
        f"class {label} is outside the scope of {party.id}" for label in dataset.classes() if not party.covers(label)
    ]
    return outside or list(examine(party.id, dataset, _contents(copy.folder, dataset, inside)))


def _contents(folder: Path, dataset: Dataset, inside: Sequence[shards.Inside] | None) -> Contents:
    """Path and bytes of each row of a private copy; those inside shards were read before."""
    if inside is not None:
        yield from ((row.entry.path, row.data) for row in inside)
        return
    for path in dataset.labels:
        yield path, (folder / path).read_bytes()
