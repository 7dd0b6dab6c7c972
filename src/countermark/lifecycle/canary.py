"""Canaries of a data owner: draw pairs of records, withhold one half of each by a secret coin, hold a delivery against them."""

from __future__ import annotations

import os
import secrets
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

from countermark.artefact.dataset import describe
from countermark.artefact.folder import read_folder
from countermark.artefact.tree import Tree, TreeEntry
from countermark.errors import CountermarkError, StatementRefused, TreeRefused, Unusable
from countermark.statement.predicates.delivery import Canaries, Delivery
from countermark.tracing.canary import MOST_PAIRS, CanaryKey, Half, Pair
from countermark.workspace.disk import Disk

LAYOUT = "folder-per-class"


def draw(folder: Path, pairs: int, key_file: Path, out: Path, withheld: Path, *, disk: Disk) -> CanaryKey:
    """Draw pairs from a folder and write what is delivered, what is withheld, and the key; the folder stays as it is.

    Args:
        folder: a folder per class. pairs: how many, over all classes in proportion. key_file: to write, mode 0600.
        out: folder to deliver. withheld: folder to keep.

    Raises:
        Unusable: something exists already, or there are too few records for so many pairs. TreeRefused: another layout.
    """
    for path in (key_file, out, withheld):
        if os.path.lexists(path):
            raise Unusable(f"{path} exists", mend="name another; nothing is overwritten")
    tree = read_folder(folder)
    key = CanaryKey.generate(_drawn(tree, pairs))
    _, kept = key.split()
    try:
        _write(disk, folder, tree, {half.path for half in kept}, out, withheld)
        disk.write(key_file, key.to_bytes())
    except CountermarkError:
        for made in (out, withheld):
            disk.discard(made)
        raise
    return key


def _drawn(tree: Tree, count: int) -> list[Pair]:
    """Pairs of records of one class, drawn without looking at them; a content that lies there twice is left out."""
    dataset = describe(tree, lambda path: b"") if not _has_metadata(tree) else None
    if dataset is None or dataset.layout != LAYOUT:
        raise TreeRefused("canaries are drawn from a folder per class", mend="`countermark convert` writes one")
    dice, often = secrets.SystemRandom(), Counter(entry.root for entry in tree.entries)
    classes: dict[str, list[TreeEntry]] = defaultdict(list)
    for entry in tree.entries:
        if often[entry.root] == 1:
            classes[dataset.labels[entry.path]].append(entry)
    every: list[Pair] = []
    for label, entries in classes.items():
        dice.shuffle(entries)
        halves = [Half(entry.path, entry.root) for entry in entries]
        every += [Pair(label, couple) for couple in zip(halves[::2], halves[1::2], strict=False)]
    if not 1 <= count <= min(len(every), MOST_PAIRS):
        raise Unusable(
            f"{count:,} pairs cannot be drawn", why=f"there are {len(every):,} pairs of different records of one class",
            mend=f"1 to {min(len(every), MOST_PAIRS):,}, and each costs one record that is not delivered",
        )  # fmt: skip
    return sorted(dice.sample(every, count), key=lambda pair: pair.halves[0].path)


def _has_metadata(tree: Tree) -> bool:
    return any("/" not in entry.path for entry in tree.entries)


def _write(disk: Disk, folder: Path, tree: Tree, kept: Collection[str], out: Path, withheld: Path) -> None:
    made: set[Path] = set()

    def put(entry: TreeEntry, data: bytes) -> None:
        target = (withheld if entry.path in kept else out) / entry.path
        if target.parent not in made:
            made.add(disk.folder(target.parent))
        disk.add(target, data, mode=0o755 if entry.executable else 0o644)

    again = read_folder(folder, sink=put)
    disk.settle(made | {out, withheld})
    if again.digest != tree.digest:
        raise TreeRefused(f"{folder.name} changed while pairs were drawn", mend="try again")


def declared(key: CanaryKey) -> Canaries:
    """What a delivery says of its canaries: how many pairs, and the commitment; not which."""
    return Canaries(len(key.pairs), key.commitment)


def must_fit(key: CanaryKey, tree: Tree) -> None:
    """The tree holds each delivered half in its place, and no withheld one anywhere.

    Raises:
        TreeRefused: it does not.
    """
    delivered, withheld = key.split()
    places = {entry.path: entry.root for entry in tree.entries}
    contents = set(places.values())
    lost = next((half for half in delivered if places.get(half.path) != half.root), None)
    if lost is not None:
        raise TreeRefused(f"{lost.path} is not in this delivery as it was drawn", why="a coin chose it to be delivered",
                          mend="deliver the folder that `countermark canary draw` wrote, unchanged")  # fmt: skip
    shown = next((half for half in withheld if half.root in contents), None)
    if shown is not None:
        raise TreeRefused(f"{shown.path} is in this delivery", why="a coin chose it to be withheld",
                          mend="deliver the folder that `countermark canary draw` wrote, unchanged")  # fmt: skip


def must_be_committed(key: CanaryKey, delivery: Delivery) -> None:
    """The signed delivery committed to this very key: an owner who thinks of canaries afterwards is refused here.

    Raises:
        StatementRefused: it named none, or another.
    """
    said = delivery.canaries
    if said is None:
        raise StatementRefused(
            "this delivery was signed without canaries", why="pairs that are named afterwards can be chosen to accuse anybody",
            mend="draw first, then `countermark deliver FOLDER --canaries KEY`",
        )  # fmt: skip
    if said != declared(key):
        raise StatementRefused(
            "this is not the canary key that the delivery committed to",
            why=f"signed: {said.pairs} pairs, {said.commitment[:16]}; here: {len(key.pairs)}, {key.commitment[:16]}",
            mend="use the key that was named when it was delivered",
        )  # fmt: skip
