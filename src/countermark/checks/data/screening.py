"""What a screening says: per supplier, per cell, per row, and check by check."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import CheckReport
from countermark.finding import Finding

TOP = 10


@dataclass(frozen=True, slots=True)
class SupplierResult:
    """p: adjusted over suppliers and cells by the loudest check. q: p times the checks that accuse.

    named: q below 0.05. why: what was found, empty where the supplier is not named.
    """

    id: str
    p: float
    q: float
    named: bool
    why: str


@dataclass(frozen=True, slots=True)
class CellResult:
    """A supplier x class cell; p and q as in `SupplierResult`. A cell is named only inside a named supplier."""

    supplier: str
    label: str
    p: float
    q: float
    named: bool


@dataclass(frozen=True, slots=True)
class Features:
    """What the rows were turned into, and how well a ridge head does on it out of fold (top-1, 0 to 1)."""

    name: str
    dimensions: int
    accuracy: float

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"name": self.name, "dimensions": self.dimensions, "accuracy": self.accuracy}


@dataclass(frozen=True, slots=True)
class Screening:
    """What the battery found.

    Attributes:
        row_p: float64 (n,) combined p-values in (0, 1]; below 1 in the number of rows they are extrapolated and say the order
            only, and flagged rows come first by a stated prior (`_combine`). row_flagged: bool (n,) rows to set aside.
        suppliers, cells: results in name order. checks: id -> report. abstained: classes too small to judge.
        features: what was used. findings: worst first. exhibits: SHA-256 hex -> PNG of at most 16 kB.
        not_applicable: id -> why, of checks that say nothing about rows of this kind. They were not run: that is no pass.
    """

    row_p: NDArray[np.float64]
    row_flagged: NDArray[np.bool_]
    suppliers: tuple[SupplierResult, ...]
    cells: tuple[CellResult, ...]
    checks: dict[str, CheckReport]
    abstained: tuple[str, ...]
    features: Features
    findings: tuple[Finding, ...]
    exhibits: dict[str, bytes]
    not_applicable: dict[str, str] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        """Suppliers whose deliveries disagree with all others."""
        return tuple(s.id for s in self.suppliers if s.named)

    @property
    def top(self) -> tuple[Finding, ...]:
        """At most ten findings to show first: the worst of each (check, rule, supplier), then the rest."""
        first = {(f.check, f.rule, f.where.supplier): f for f in reversed(self.findings)}
        kept = [f for f in self.findings if first[f.check, f.rule, f.where.supplier] is f]
        return tuple([*kept, *(f for f in self.findings if f not in kept)][:TOP])

    def explain(self, row: int) -> dict[str, float]:
        """Scores of one row (its position) by check, for checks that score rows; larger is worse."""
        return {name: float(r.rows[row]) for name, r in self.checks.items() if r.rows is not None}

    def _repr_html_(self) -> str:
        """A short table for notebooks."""
        rows = "".join(
            f"<tr><td>{escape(f.check)}</td><td>{f.severity}</td><td>{f.confidence:.3f}</td><td>{escape(f.what)}</td></tr>"
            for f in self.top
        )
        named = escape(", ".join(self.named) or "nobody")
        return (
            f"<p>{int(self.row_flagged.sum())} of {len(self.row_p)} rows flagged; named: {named}</p>"
            f"<table><tr><th>check</th><th>severity</th><th>confidence</th><th>what</th></tr>{rows}</table>"
        )
