"""What a trial attacks, what it may spend, and what it says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import ExchangeRefused, Unusable
from countermark.finding import Measure, Outcome, outcome_to_json

Images = NDArray[np.uint8]
Scores = NDArray[np.float32]
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many queries (rows sent to the model) and seconds of wall time.

    Raises:
        Unusable: one of them is negative.
    """

    queries: int
    seconds: float = 300.0

    def __post_init__(self) -> None:
        if self.queries < 0 or self.seconds < 0:
            raise Unusable(f"a budget of {self.queries} queries and {self.seconds:g} s is none")


class Spent(Exception):
    """The budget ran out in the middle of a trial."""


@dataclass(slots=True)
class Target:
    """A model behind a counter.

    Attributes:
        predict: uint8 (n, h, w, 3) -> float32 scores (n, classes). used: rows asked so far.
        seen: digests of the rows asked; a row that is asked twice tells the attacker nothing new.
    """

    predict: Callable[[Images], Scores]
    budget: Budget
    clock: Callable[[], float] = time.monotonic
    used: int = 0
    seen: set[bytes] = field(default_factory=set)
    _started: float = 0.0

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def repeated(self) -> int:
        """Rows that had been asked before."""
        return self.used - len(self.seen)

    def ask(self, images: Images) -> Scores:
        """Scores of a batch, as many as the budget still covers; every row counts.

        Raises:
            Spent: the budget does not cover all of it; nothing was asked.
            ExchangeRefused: the model does not give one row of finite scores a picture.
        """
        if self.used + len(images) > self.budget.queries or self.clock() - self._started > self.budget.seconds:
            raise Spent
        self.used += len(images)
        self.seen.update(hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in images)
        scores = self.predict(images)
        if scores.ndim != 2 or len(scores) != len(images) or not np.isfinite(scores).all():
            raise ExchangeRefused(f"the model answers with shape {scores.shape}, or with values that are not finite")
        return scores


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What one trial measured.

    Attributes:
        completed: false where the budget ended it; the measures are then of what was done until there.
        used: queries.
    """

    id: str
    version: int
    outcome: Outcome
    budget: Budget
    seed: int
    completed: bool
    used: int

    def to_json(self) -> dict[str, Any]:
        """As it stands in a trial statement."""
        return outcome_to_json(self.outcome) | {
            "version": self.version,
            "budget": {"queries": self.budget.queries, "seconds": self.budget.seconds},
            "seed": self.seed,
            "completed": self.completed,
            "queries": self.used,
        }


def proportion(name: str, hits: int, of: int) -> Measure:
    """A share with its Wilson 95 % interval (Wilson, JASA 1927)."""
    if not of:
        return Measure(name, 0.0, low=0.0, high=1.0)
    p, spread = hits / of, _Z95 * _Z95 / of
    middle = (p + spread / 2) / (1 + spread)
    half = _Z95 * float(np.sqrt(p * (1 - p) / of + spread / (4 * of))) / (1 + spread)
    # Rounding may leave the estimate outside by an ulp where it is 0 or 1.
    return Measure(name, p, low=min(p, max(0.0, middle - half)), high=max(p, min(1.0, middle + half)))
