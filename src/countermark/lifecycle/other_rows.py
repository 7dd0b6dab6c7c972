"""Admitted rows that are no pictures, read from their verified files or as they were kept, those of one form together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from countermark.artefact.handle import open_verified
from countermark.artefact.labelled import Row as Labelled
from countermark.artefact.records import SUPPLIER
from countermark.artefact.shards import FIELD
from countermark.errors import TreeRefused, Unusable
from countermark.formats.limits import OverLimit
from countermark.formats.source import Memory
from countermark.lifecycle import rows as admitted_rows
from countermark.lifecycle.claimed_clips import Clips, decoded
from countermark.lifecycle.claimed_table import Parts, joined, read_one, reader
from countermark.lifecycle.deliveries import DATA, Received, admitted_trees
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.kept_rows import Samples, blocks_of, clips_kept, clips_read, table_kept, table_read
from countermark.lifecycle.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.checks.data._kept import Kept
    from countermark.features.columns import Column

Form = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of tables with the same columns; those of class and supplier are not among `columns`, for both are known.

    order: names of the columns as they stand in the tables; empty where they stand in several orders.
    """

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    order: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        """In words."""
        return f"tables of {len(self.columns)} column{'s' if len(self.columns) > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Sounds:
    """Clips of one number of channels: float32 (t, channels) each, and their rates in Hz."""

    rows: tuple[Row, ...]
    clips: tuple[NDArray[np.float32], ...]
    rates: tuple[float, ...]

    @property
    def form(self) -> str:
        """In words."""
        channels = self.clips[0].shape[1]
        return f"clips of {channels} channel{'s' if channels > 1 else ''}"


def sheets(desk: Desk, listed: Sequence[Row], kept: Kept) -> list[Sheet]:
    """Rows of tables, by their columns' names and kinds, in the order in which the forms are first seen.

    Args:
        listed: rows inside tables, those of a table behind each other and in its order. kept: of earlier screenings.

    Raises:
        TreeRefused: a delivery was changed on disk. FormatRefused: a table is no longer read. OverLimit: more than 2^27 cells.
        MissingExtra: pyarrow is absent. ChildFailed: the reader died.
    """
    found: dict[Form, list[tuple[list[Row], Parts]]] = {}
    orders: dict[Form, set[tuple[str, ...]]] = {}
    for some, part in _tables(desk, listed, kept):
        own = [(name, kind) for name, kind, _ in part.heads if name not in (FIELD, SUPPLIER)]
        form = tuple(sorted(own))
        orders.setdefault(form, set()).add(tuple(name for name, _ in own))
        found.setdefault(form, []).append((some, part.only([name for name, _ in form])))
    return [
        Sheet(
            tuple(row for some, _ in parts for row in some),
            tuple(joined([part for _, part in parts]).values()),
            next(iter(orders[form])) if len(orders[form]) == 1 else (),
        )
        for form, parts in found.items()
    ]


def _tables(desk: Desk, listed: Sequence[Row], kept: Kept) -> Iterator[tuple[list[Row], Parts]]:
    from countermark.features.columns import MOST_CELLS

    admitted, cells = admitted_trees(desk), 0
    with reader() as child:
        for digest, of_delivery in groupby(listed, lambda row: row.delivery):
            one = admitted[digest]
            if one.folder is None or one.parcel is None:
                raise Unusable("an admitted delivery has no folder", mend="receive it again")
            files = {entry.path: entry for entry in one.parcel.tree.entries}
            with open_verified(one.folder / DATA, one.parcel.tree) as handle:
                for shard, some in groupby(of_delivery, lambda row: row.shard):
                    part, mine = table_read(kept, files[shard]), list(some)
                    if part is None:
                        part = read_one(Memory(handle.view(shard)), (FIELD,), child)
                        table_kept(kept, files[shard], part)
                        handle.forget(shard)
                    if part.rows != len(mine):
                        raise TreeRefused(
                            f"{shard} of {one.supplier} has {part.rows} rows, and {len(mine)} were listed"
                        )
                    cells += part.rows * len(part.heads)
                    if cells > MOST_CELLS:
                        raise OverLimit("cells of all tables", cells, MOST_CELLS)
                    yield mine, part


def sounds(desk: Desk, listed: Sequence[Row], kept: Kept) -> list[Sounds]:
    """Clips, by their number of channels, fewest first.

    Args:
        kept: of earlier screenings.

    Raises:
        TreeRefused: a delivery was changed on disk. FormatRefused: a clip no longer decodes. OverLimit: more than 2^28
        samples. ChildFailed: the reader died.
    """
    clips, rates = _samples(desk, listed, kept)
    channels = [clip.shape[1] for clip in clips]
    out = []
    for count in sorted(set(channels)):
        at = [i for i, one in enumerate(channels) if one == count]
        out.append(Sounds(tuple(listed[i] for i in at), tuple(clips[i] for i in at), tuple(rates[i] for i in at)))
    return out


def _samples(desk: Desk, listed: Sequence[Row], kept: Kept) -> Samples:
    """All clips; those of blocks that an earlier screening decoded are read back, all others are decoded together and kept."""
    cuts = blocks_of(listed)
    found = {block: clips_read(kept, block) for block in cuts}
    missing = [row for block, one in found.items() if one is None for row in listed[block.start : block.stop]]
    known = sum(clip.size for one in found.values() if one is not None for clip in one.clips)
    new = decoded(_clips(admitted_trees(desk), missing), len(missing), beside=known)
    left, clips, rates = iter(range(len(missing))), list["NDArray[np.float32]"](), list[float]()
    for block, one in found.items():
        mine = one or _of(new, [next(left) for _ in range(block.start, block.stop)])
        if one is None:
            clips_kept(kept, block, mine)
        clips += mine.clips
        rates += mine.rates
    return Samples(clips, rates)


def _of(read: Clips, rows: Sequence[int]) -> Samples:
    return Samples([read.signals[i] for i in rows], [read.rates[i] for i in rows])


def _clips(admitted: dict[str, Received], listed: Sequence[Row]) -> Iterator[Labelled]:
    for digest, some in groupby(listed, lambda row: row.delivery):
        content = admitted_rows.rows_of(digest, admitted[digest])
        yield from (Labelled(row.id, row.supplier, row.label, content[row]) for row in some)
