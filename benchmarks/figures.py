"""Rows of a benchmark: our figure, the peer's beside it, the ratio, and whether the target of DESIGN section 10 is met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cost import Cost

MB = 1 << 20


class NotMeasured(Exception):
    """Something needed is absent; the text says what, and how to get it. Never a figure."""


@dataclass(frozen=True)
class Goal:
    """A target: at most, or at least, this much. `holds` says whether it was set for the size that is measured."""

    bound: float
    at_least: bool = False
    holds: bool = True

    def met(self, value: float) -> bool | None:
        """None where the target is for another size."""
        return (value >= self.bound if self.at_least else value <= self.bound) if self.holds else None


@dataclass(frozen=True)
class Row:
    """One figure of one kind of work.

    Attributes:
        work: what was done. figure: what was measured, such as `CPU`. unit: of both values.
        ours, peer: every run's value; `peer` is empty where there is none to compare with.
        beside: who the peer is, and what it did.
        more_is_better: rates; else costs.
    """

    work: str
    figure: str
    unit: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    beside: str = ""
    goal: Goal | None = None
    more_is_better: bool = False

    @property
    def value(self) -> float:
        """Median of our runs."""
        return statistics.median(self.ours)

    @property
    def times(self) -> float | None:
        """How many times better than the peer, by medians; below 1 the peer is better."""
        if not self.peer:
            return None
        theirs = statistics.median(self.peer)
        return self.value / theirs if self.more_is_better else theirs / self.value

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or it is for another size."""
        return self.goal.met(self.value) if self.goal else None

    def to_json(self) -> dict[str, Any]:
        """The row with its medians; every run stays in it."""
        peer = statistics.median(self.peer) if self.peer else None
        return {**asdict(self), "value": self.value, "peer_value": peer, "times": self.times, "met": self.met}

    def line(self) -> str:
        """As one line for people."""
        text = f"  {self.work:<45} {self.figure:<6} {number(self.value):>8} {self.unit:<2} {between(self.ours):<18}"
        if self.times is not None:
            text += f" | {self.beside} {number(statistics.median(self.peer))} {self.unit}: x{self.times:.2f}"
        if self.goal:
            sign = ">=" if self.goal.at_least else "<="
            judged = {True: "met", False: "MISSED", None: "set for the full size"}[self.met]
            text += f" | to reach {sign} {number(self.goal.bound)} {self.unit}: {judged}"
        return text.rstrip()


def number(value: float) -> str:
    """Three digits, or whole with separators from 1,000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def between(values: Sequence[float]) -> str:
    """Least and most."""
    return f"[{number(min(values))}..{number(max(values))}]"


def of_costs(
    work: str, ours: Sequence[Cost], peer: Sequence[Cost], beside: str, goals: dict[str, Goal] | None = None
) -> list[Row]:
    """Wall, CPU and memory of one kind of work as three rows; `goals` by the names `wall`, `cpu`, `rss` (MB)."""
    goals = goals or {}
    return [
        Row(work, "wall", "s", [c.wall for c in ours], [c.wall for c in peer], beside, goals.get("wall")),
        Row(work, "CPU", "s", [c.cpu for c in ours], [c.cpu for c in peer], beside, goals.get("cpu")),
        Row(work, "memory", "MB", [c.rss / MB for c in ours], [c.rss / MB for c in peer], beside, goals.get("rss")),
    ]
