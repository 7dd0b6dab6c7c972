"""From the results of pass 1 to the sums of each supplier: what pass 2 works on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from countermark.features.grid import Grid
from countermark.features.pass_one import features_of
from countermark.features.sums import Adding, Sums

if TYPE_CHECKING:
    import pyarrow


class Summed(NamedTuple):
    """Sums by supplier, and the ids of rows that are in none because their pictures do not decode."""

    sums: dict[str, Sums]
    unreadable: tuple[str, ...]


def by_supplier(results: Iterable[pyarrow.RecordBatch], grid: Grid, function: str) -> Summed:
    """Sums over a stream of results; the sums, and a block of rows per supplier, are in memory.

    Args:
        results: batches after pass 1, of one delivery or of many. grid: the one that all deliveries are put on.
        function: `PassOne.digest`: sums of features of another function do not add up with these.

    Raises:
        Unusable: the grid is not of these features.
    """
    adding: dict[str, Adding] = {}
    unreadable: list[str] = []
    for batch in results:
        whole = np.asarray(batch.column("features").is_valid())
        names = batch.column("id").to_pylist()
        unreadable += [name for name, fine in zip(names, whole, strict=True) if not fine]
        kept = batch.take(np.flatnonzero(whole))
        rows = grid.on(features_of(kept))
        suppliers, code = np.unique(np.asarray(kept.column("supplier").to_pylist(), str), return_inverse=True)
        labels = np.asarray(kept.column("label").to_pylist(), str)
        for at, supplier in enumerate(map(str, suppliers)):
            one = adding.setdefault(supplier, Adding(space(grid, function), rows.shape[1]))
            one.add(rows[code == at], labels[code == at].tolist())
    return Summed({name: adding[name].sums() for name in sorted(adding)}, tuple(unreadable))


def space(grid: Grid, function: str) -> str:
    """What sums say that their rows were put on: the function of the features, and the grid."""
    return f"{function}/{grid.digest}"
