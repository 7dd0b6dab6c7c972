"""Pictures that a model will be tested on, read only to see whether they stand in the training data as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from countermark.artefact import labelled
from countermark.lifecycle.claimed import Progress, read_claimed

ANY_PLACE = "**{label}"


def read_tests(
    place: str, columns: labelled.Columns | None = None, progress: Progress | None = None
) -> tuple[Any, tuple[str, ...]]:
    """Pixels, uint8 (n, 64, 64, 3), and names of every picture at a path or URL, wherever it lies below.

    Args:
        columns: of tables and shards; a supplier is not asked for.

    Raises:
        As `claimed.read_claimed`.
    """
    named = columns or labelled.Columns()
    rows = read_claimed(place, ANY_PLACE, replace(named, supplier=named.label), progress)
    return rows.images, rows.paths
