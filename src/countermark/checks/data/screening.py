"""What a screening says: per supplier, per cell, per row, and check by check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import CheckReport
from countermark.checks.data._view import View
from countermark.checks.data.explanation import Explanation, html_table
from countermark.errors import Unusable
from countermark.finding import Finding, alike

TOP = 10
EXPECTED = (
    "would set aside",
    "rows",
    "expected precision",
    "expected recall",
    "operating point",
    "false alarms to expect",
)


@dataclass(frozen=True, slots=True)
class SupplierResult:
    """p: adjusted over suppliers, cells and forms of rows by the loudest check. q: p times the checks that accuse.

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
    """What the rows were turned into, and how well a ridge head does on it out of fold (top-1, 0 to 1).

    single: other features that only `data/label-errors` judged by, or None.
    """

    name: str
    dimensions: int
    accuracy: float
    single: Features | None = None

    def words(self) -> str:
        """For people."""
        own = f"{self.name}, {self.dimensions} dimensions, out-of-fold accuracy {self.accuracy:.2f}"
        return own + (f"; for single labels {self.single.words()}" if self.single else "")

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        out = {"name": self.name, "dimensions": self.dimensions, "accuracy": self.accuracy}
        return out | ({"single": self.single.to_json()} if self.single else {})


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that say the same of several places: the worst of them, how many others there are, and how many rows all name."""

    worst: Finding
    others: int
    rows: int

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> Group:
        """A group of findings, worst first, at least one."""
        return cls(findings[0], len(findings) - 1, len({row for f in findings for row in f.where.rows}))


@dataclass(frozen=True, slots=True)
class Screening:
    """What the battery found.

    Attributes:
        row_p: float64 (n,) combined p-values in (0, 1]; below 1 in the number of rows they are extrapolated and say the order
            only; flagged rows, then the rest of a bad cell of a named supplier, come first by a stated prior (`_combine`). row_flagged: bool (n,) rows to set aside.
        suppliers, cells: results in name order. checks: id -> report. abstained: classes too small to judge.
        features: what was used. findings: worst first. exhibits: SHA-256 hex -> PNG of at most 16 kB.
        not_applicable: id -> why, of checks that say nothing about rows of this kind. They were not run: that is no pass.
        view: the rows that were screened, for `explain`; as large as the pictures.
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
    view: View | None = field(default=None, repr=False)

    @property
    def named(self) -> tuple[str, ...]:
        """Suppliers whose deliveries disagree with all others."""
        return tuple(s.id for s in self.suppliers if s.named)

    @property
    def groups(self) -> tuple[Group, ...]:
        """At most ten groups, worst first: each finding that accuses somebody by itself, all others of one check and rule together."""
        kept: dict[tuple[str, ...], list[Finding]] = {}
        for f in self.findings:
            kept.setdefault(
                alike(f.check, f.rule, f.severity, f.where.supplier, f.where.label, f.where.path), []
            ).append(f)
        return tuple(Group.of(several) for several in kept.values())[:TOP]

    @property
    def top(self) -> tuple[Finding, ...]:
        """The worst finding of each group."""
        return tuple(g.worst for g in self.groups)

    @property
    def seen(self) -> View:
        """The rows that were screened.

        Raises:
            Unusable: this screening was put together without them.
        """
        if self.view is None:
            raise Unusable("this screening kept no rows", mend="`countermark.screen` keeps them")
        return self.view

    def explain(self, row: int | str) -> Explanation:
        """All that was said of one row: each check, the supplier, the cell, the label, the nearest rows, what nobody looked at.

        Args:
            row: its position from 0, its id, or the unique beginning of its id.

        Raises:
            Unusable: there is no such row, or several ids begin like this.
        """
        from countermark.checks.data._explain import explain

        return explain(self, row)

    def _repr_html_(self) -> str:
        """A short table for notebooks."""
        groups = [
            (g.worst.check, g.worst.severity, f"{g.worst.confidence:.3f}", g.worst.what, f"and {g.others} more" if g.others else "")
            for g in self.groups
        ]  # fmt: skip
        expected = [
            (name, str(len(r.suspects)), *("not calibrated" if v is None else f"{v:.2f}" for v in (r.precision, r.recall)),
             r.operating, r.alarms)
            for name, r in self.checks.items() if r.suspects
        ]  # fmt: skip
        named = escape(", ".join(self.named) or "nobody")
        return (
            f"<p>{int(self.row_flagged.sum())} of {len(self.row_p)} rows flagged; named: {named}; {escape(self.features.words())}</p>"
            + html_table(("check", "severity", "confidence", "what", ""), groups)
            + html_table(EXPECTED, expected)
        )
