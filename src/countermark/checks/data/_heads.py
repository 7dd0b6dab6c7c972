"""Class scores from ridge heads that never saw what they score, fitted once for every way of leaving out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _ridge

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
NOBODY = np.zeros(0, np.intp)


@dataclass(frozen=True)
class Heads:
    """Features and the heads over them.

    Attributes:
        features: float32 (n, d), on principal directions. label, supplier: (n,) codes. classes: their number.
        seed: of the folds.
    """

    features: NDArray[np.float32]
    label: Rows
    supplier: Rows
    classes: int
    seed: int
    _kept: dict[tuple[str, bytes], Floats] = field(default_factory=dict, repr=False, compare=False)

    def over(self, features: NDArray[np.float32]) -> Heads:
        """The same rows on other features; nothing is fitted yet."""
        return Heads(features, self.label, self.supplier, self.classes, self.seed)

    def by_fold(self, untaught: Rows = NOBODY) -> Floats:
        """Scores (n, classes) from the head of the other four folds; rows in `untaught` teach no head."""
        return self._scores("fold", untaught)

    def by_supplier(self, untaught: Rows = NOBODY) -> Floats:
        """Scores (n, classes) from the head of all other suppliers; rows in `untaught` teach no head."""
        return self._scores("supplier", untaught)

    def _scores(self, kind: str, untaught: Rows) -> Floats:
        key = (kind, untaught.tobytes())
        if key not in self._kept:
            group = self.supplier if kind == "supplier" else _ridge.folds(self.label, self.seed)
            teaching = np.setdiff1d(np.arange(len(self.label)), untaught)
            self._kept[key] = _ridge.score_apart(self.features, self.label, group, teaching, self.classes)
        return self._kept[key]

    @property
    def accuracy(self) -> float:
        """Out-of-fold top-1, 0 to 1, of heads that every row teaches."""
        return float((self.by_fold().argmax(axis=1) == self.label).mean())
