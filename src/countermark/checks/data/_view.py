"""What a check of training data is given: rows as arrays, and what was computed once for all checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.finding import Outcome

LEAST_ROWS = 8


@dataclass(frozen=True, slots=True)
class View:
    """Rows of a dataset.

    Attributes:
        images: uint8 (n, h, w, 3). label, supplier: (n,) codes into `classes` and `suppliers`.
        ids: row ids. features: float32 (n, d), standardised. scores: float64 (n, k) out-of-fold class scores.
        left_out: float64 (n, k) scores from a model that never saw the row's supplier.
        accuracy: out-of-fold top-1. contract: supplier -> class -> rows, or None.
        class_means: (k, d) mean features of every class.
    """

    images: NDArray[np.uint8]
    label: NDArray[np.intp]
    supplier: NDArray[np.intp]
    classes: tuple[str, ...]
    suppliers: tuple[str, ...]
    ids: tuple[str, ...]
    features: NDArray[np.float32]
    scores: NDArray[np.float64]
    left_out: NDArray[np.float64]
    accuracy: float
    contract: Mapping[str, Mapping[str, int]] | None
    seed: int
    class_means: NDArray[np.float64]

    def cells(self) -> list[tuple[int, int, NDArray[np.intp]]]:
        """(supplier, class, rows) of every cell that has rows, in order."""
        code = self.supplier * len(self.classes) + self.label
        order = np.argsort(code, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(code[order]) > 0])
        groups = np.split(order, starts[1:])
        return [(int(self.supplier[g[0]]), int(self.label[g[0]]), g) for g in groups]

    def margins(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Best other class minus own class; positive where the row looks like another class."""
        own = scores[np.arange(len(scores)), self.label]
        rest = scores.copy()
        rest[np.arange(len(scores)), self.label] = -np.inf
        return np.asarray(rest.max(axis=1) - own)

    def names(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        """Ids of rows."""
        return tuple(self.ids[i] for i in rows)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What one check says.

    Attributes:
        outcome: for the statement. rows: (n,) score per row, larger is worse, or None.
        row_p: (n,) p-values per row, or None. supplier_p: (suppliers,) or None.
        cell_p: (supplier, class) -> p. suspects: rows the check would set aside.
        exhibits: SHA-256 -> PNG bytes.
    """

    id: str
    version: int
    code: str
    outcome: Outcome
    rows: NDArray[np.float64] | None = None
    row_p: NDArray[np.float64] | None = None
    supplier_p: NDArray[np.float64] | None = None
    cell_p: dict[tuple[int, int], float] = field(default_factory=dict)
    suspects: tuple[int, ...] = ()
    exhibits: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
