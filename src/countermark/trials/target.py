"""What a trial attacks, what it may spend, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.finding import Measure, Outcome, outcome_to_json

Images = NDArray[np.uint8]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many queries (rows sent to the model) and seconds of wall time."""

    queries: int
    seconds: float = 300.0


class Spent(Exception):
    """The budget ran out in the middle of a trial."""


@dataclass(slots=True)
class Target:
    """A model behind a counter.

    Attributes:
        predict: uint8 (n, h, w, 3) -> float32 scores (n, classes). used: queries so far.
    """

    predict: Callable[[Images], Scores]
    budget: Budget
    used: int = 0
    started: float = field(default_factory=time.monotonic)

    def ask(self, images: Images) -> Scores:
        """Scores of a batch; counts every row.

        Raises:
            Spent: the budget does not cover it.
        """
        if self.used + len(images) > self.budget.queries or time.monotonic() - self.started > self.budget.seconds:
            raise Spent
        self.used += len(images)
        return self.predict(images)


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What one trial measured; `completed` is false where the budget ended it."""

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
    z, p = 1.959964, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * float(np.sqrt(p * (1 - p) / of + z * z / (4 * of * of))) / (1 + z * z / of)
    return Measure(name, p, low=max(0.0, middle - half), high=min(1.0, middle + half))
