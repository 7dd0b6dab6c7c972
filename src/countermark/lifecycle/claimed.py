"""Pictures whose suppliers nobody signed for: read for a first look, or as a stream for pass 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from countermark.artefact import labelled

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

AT_ONCE = 1000
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Claimed:
    """Rows: uint8 (n, 64, 64, 3) pictures, and for each its id (its path), the supplier and label claimed, its file."""

    images: NDArray[np.uint8]
    paths: tuple[str, ...]
    suppliers: tuple[str, ...]
    labels: tuple[str, ...]
    files: tuple[bytes, ...]


def read_claimed(
    place: str, pattern: str, columns: labelled.Columns | None = None, progress: Progress | None = None
) -> Claimed:
    """Read labelled pictures at a path or URL, all of them into memory; `batches` keeps a few.

    Args:
        pattern: where supplier and class stand in paths. columns: where they stand in tables and shards.

    Raises:
        As `labelled.rows`; FormatRefused: a picture does not decode.
    """
    from countermark.lifecycle.screen_pictures import decode

    rows = list(labelled.rows(place, pattern, columns or labelled.Columns()))
    ids, suppliers, labels, files = (tuple(column) for column in zip(*rows, strict=True))
    return Claimed(decode(files, ids, progress), ids, suppliers, labels, files)


def batches(
    place: str, pattern: str = labelled.PATTERN, columns: labelled.Columns | None = None, at_once: int = AT_ONCE
) -> Iterator[pyarrow.RecordBatch]:
    """The same as a stream of Arrow batches, for pass 1: `at_once` rows each, the last one fewer.

    Raises:
        As `labelled.rows`; MissingExtra: pyarrow is absent.
    """
    from countermark.features.arrow import batch_of

    left = labelled.rows(place, pattern, columns or labelled.Columns())
    while some := list(islice(left, at_once)):
        ids, suppliers, labels, pictures = zip(*some, strict=True)
        yield batch_of(ids, suppliers, labels, pictures)


def to_csv(rows: Claimed, flagged: Iterable[bool]) -> str:
    """CSV of the flagged rows, as `named_csv`."""
    return named_csv(zip(rows.paths, rows.suppliers, rows.labels, strict=True), flagged)


def named_csv(named: Iterable[tuple[str, str, str]], flagged: Iterable[bool]) -> str:
    """CSV of the flagged among rows named by (id, supplier, label); cells that a spreadsheet would run as formulas are disarmed."""
    from countermark.lifecycle.review import plain_cell

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["row", "supplier", "label"])
    for row, bad in zip(named, flagged, strict=True):
        if bad:
            table.writerow([plain_cell(c) for c in row])
    return text.getvalue()
