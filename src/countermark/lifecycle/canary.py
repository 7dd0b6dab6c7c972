"""Canaries of a data owner: draw pairs of records, withhold one half of each by a secret coin, hold a delivery against them."""

from __future__ import annotations

import os
import secrets
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.artefact.dataset import describe
from countermark.artefact.folder import read_folder
from countermark.artefact.tree import Tree, TreeEntry, bytes_root
from countermark.errors import CountermarkError, FormatRefused, StatementRefused, TreeRefused, Unusable
from countermark.lifecycle.desk import read_file
from countermark.statement.predicates.delivery import Canaries, Delivery
from countermark.tracing.canary import MOST_PAIRS, CanaryKey, Half, Pair
from countermark.tracing.hardness import SIDE, hardness
from countermark.workspace.disk import Disk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.formats.decode import Decoder

BATCH, MAX_PICTURE_BYTES = 256, 64 << 20


def draw(
    folder: Path, pairs: int, key_file: Path, out: Path, withheld: Path, *, disk: Disk, at_random: bool = False
) -> CanaryKey:
    """Draw pairs from a folder and write what is delivered, what is withheld, and the key; the folder stays as it is.

    Args:
        folder: a folder per class. pairs: how many. key_file: to write, mode 0600. out: folder to deliver. withheld: folder to keep.
        at_random: take any records; else those that are hardest to get right without having seen them, which needs pictures.

    Raises:
        Unusable: something exists already, or there are too few records for so many pairs. TreeRefused: another layout.
        FormatRefused: a picture does not decode.
    """
    for path in (key_file, out, withheld):
        if os.path.lexists(path):
            raise Unusable(f"{path} exists", mend="name another; nothing is overwritten")
    tree, classes = _candidates(folder)
    every = _coupled(classes) if at_random else _coupled(_hardest_first(folder, classes))
    key = CanaryKey.generate(_chosen(every, pairs))
    _, kept = key.split()
    try:
        _write(disk, folder, tree, {half.path for half in kept}, out, withheld)
        disk.write(key_file, key.to_bytes())
    except CountermarkError:
        for made in (out, withheld):
            disk.discard(made)
        raise
    return key


_Class = list[tuple[float, Half]]
"""Records of one class, each with a number by which pairs are chosen, the highest first."""


def _candidates(folder: Path) -> tuple[Tree, dict[str, _Class]]:
    """Records by class in random order; a content that lies there twice is left out."""
    tree, classes = read_folder(folder), defaultdict[str, _Class](list)
    if any("/" not in entry.path for entry in tree.entries):
        raise TreeRefused("canaries are drawn from a folder per class", mend="`countermark convert` writes one")
    dice, often = secrets.SystemRandom(), Counter(entry.root for entry in tree.entries)
    labels = describe(tree, lambda path: b"").labels
    for entry in tree.entries:
        if often[entry.root] == 1:
            classes[labels[entry.path]].append((dice.random(), Half(entry.path, entry.root)))
    return tree, {label: sorted(records, key=lambda one: -one[0]) for label, records in classes.items()}


def _hardest_first(folder: Path, classes: dict[str, _Class]) -> dict[str, _Class]:
    import numpy as np

    halves = [half for records in classes.values() for _, half in records]
    codes = np.array([code for code, records in enumerate(classes.values()) for _ in records], np.int64)
    found = (
        dict(zip(halves, hardness(pixels_of([(folder, half) for half in halves]), codes).tolist(), strict=True))
        if halves
        else {}
    )
    return {
        label: sorted(((found[half], half) for _, half in records), key=lambda one: -one[0])
        for label, records in classes.items()
    }


def _coupled(classes: dict[str, _Class]) -> list[tuple[float, Pair]]:
    """Neighbours in the order of each class become pairs: alike in difficulty, so that less but delivery tells them apart."""
    return [
        (one + other, Pair(label, (first, second)))
        for label, records in classes.items()
        for (one, first), (other, second) in zip(records[::2], records[1::2], strict=False)
    ]


def _chosen(every: list[tuple[float, Pair]], count: int) -> list[Pair]:
    if not 1 <= count <= min(len(every), MOST_PAIRS):
        raise Unusable(
            f"{count:,} pairs cannot be drawn", why=f"there are {len(every):,} pairs of different records of one class",
            mend=f"1 to {min(len(every), MOST_PAIRS):,}, and each costs one record that is not delivered",
        )  # fmt: skip
    best = sorted(every, key=lambda one: -one[0])[:count]
    return sorted((pair for _, pair in best), key=lambda pair: pair.halves[0].path)


def pixels_of(
    records: Sequence[tuple[Path, Half]], size: tuple[int, int] = (SIDE, SIDE), decoder: Decoder | None = None
) -> NDArray[np.uint8]:
    """Pictures of records, which must be those that were drawn: uint8 (n, height, width, 3).

    Args:
        records: folder and half of each. size: (width, height) that they are brought to. decoder: one that is open already.

    Raises:
        TreeRefused: a file is another one now. FormatRefused: it does not decode. Unusable: it cannot be read.
    """
    import numpy as np

    from countermark.formats.decode import Decoder

    parts = []
    with nullcontext(decoder) if decoder else Decoder() as open_one:
        for start in range(0, len(records), BATCH):
            some = records[start : start + BATCH]
            done = open_one.batch([_record(folder, half) for folder, half in some], size)
            bad = next((half.path for (_, half), error in zip(some, done.errors, strict=True) if error), None)
            if bad:
                why = next(error for error in done.errors if error)
                raise FormatRefused(f"{bad} does not decode", why=why, mend="take it out of the folder")
            parts.append(done.pixels)
    return np.concatenate(parts)


def _record(folder: Path, half: Half) -> bytes:
    data = read_file(folder / half.path, MAX_PICTURE_BYTES)
    if bytes_root(data) != half.root:
        raise TreeRefused(f"{half.path} in {folder.name} is not the record that was drawn", mend="restore the file")
    return data


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
