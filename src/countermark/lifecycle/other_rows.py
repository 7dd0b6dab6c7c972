"""Admitted rows that are no pictures, read anew from their verified files, those of one form together."""

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
from countermark.lifecycle.claimed_clips import decoded
from countermark.lifecycle.claimed_table import Parts, joined, read_one, reader
from countermark.lifecycle.deliveries import DATA, Received, admitted_trees
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.features.columns import Column

Form = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of tables with the same columns; those of class and supplier are not among `columns`, for both are known."""

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]

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


def sheets(desk: Desk, listed: Sequence[Row]) -> list[Sheet]:
    """Rows of tables, by their columns' names and kinds, in the order in which the forms are first seen.

    Args:
        listed: rows inside tables, those of a table behind each other and in its order.

    Raises:
        TreeRefused: a delivery was changed on disk. FormatRefused: a table is no longer read. OverLimit: more than 2^27 cells.
        MissingExtra: pyarrow is absent. ChildFailed: the reader died.
    """
    found: dict[Form, list[tuple[list[Row], Parts]]] = {}
    for some, part in _tables(desk, listed):
        form = tuple(sorted((name, kind) for name, kind, _ in part.heads if name not in (FIELD, SUPPLIER)))
        found.setdefault(form, []).append((some, part.only([name for name, _ in form])))
    return [
        Sheet(tuple(row for some, _ in parts for row in some), tuple(joined([part for _, part in parts]).values()))
        for parts in found.values()
    ]


def _tables(desk: Desk, listed: Sequence[Row]) -> Iterator[tuple[list[Row], Parts]]:
    from countermark.features.columns import MOST_CELLS

    admitted, cells = admitted_trees(desk), 0
    with reader() as child:
        for digest, of_delivery in groupby(listed, lambda row: row.delivery):
            one = admitted[digest]
            if one.folder is None or one.parcel is None:
                raise Unusable("an admitted delivery has no folder", mend="receive it again")
            with open_verified(one.folder / DATA, one.parcel.tree) as handle:
                for shard, some in groupby(of_delivery, lambda row: row.shard):
                    part, mine = read_one(Memory(handle.view(shard)), (FIELD,), child), list(some)
                    if part.rows != len(mine):
                        raise TreeRefused(
                            f"{shard} of {one.supplier} has {part.rows} rows, and {len(mine)} were listed"
                        )
                    cells += part.rows * len(part.heads)
                    if cells > MOST_CELLS:
                        raise OverLimit("cells of all tables", cells, MOST_CELLS)
                    yield mine, part
                    handle.forget(shard)


def sounds(desk: Desk, listed: Sequence[Row]) -> list[Sounds]:
    """Clips, by their number of channels, fewest first.

    Raises:
        TreeRefused: a delivery was changed on disk. FormatRefused: a clip no longer decodes. OverLimit: more than 2^28
        samples. ChildFailed: the reader died.
    """
    admitted = admitted_trees(desk)
    read = decoded(_clips(admitted, listed), len(listed))
    channels = [clip.shape[1] for clip in read.signals]
    out = []
    for count in sorted(set(channels)):
        at = [i for i, one in enumerate(channels) if one == count]
        out.append(
            Sounds(tuple(listed[i] for i in at), tuple(read.signals[i] for i in at), tuple(read.rates[i] for i in at))
        )
    return out


def _clips(admitted: dict[str, Received], listed: Sequence[Row]) -> Iterator[Labelled]:
    for digest, some in groupby(listed, lambda row: row.delivery):
        content = admitted_rows.rows_of(digest, admitted[digest])
        yield from (Labelled(row.id, row.supplier, row.label, content[row]) for row in some)
