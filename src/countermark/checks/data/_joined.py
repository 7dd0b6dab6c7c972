"""From the reports of all checks to one result: who and which cells are named, which rows are flagged, findings worst first."""

from __future__ import annotations

from collections.abc import Iterable

from countermark.checks.data import _combine
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._view import View
from countermark.checks.data.screening import CellResult, Features, Screening, SupplierResult
from countermark.finding import SEVERITIES, Finding, Found

_PLURAL = {"pictures": "pictures", "table": "tables", "signals": "signals"}


def joined(view: View, reports: dict[str, CheckReport], features: Features, away: dict[str, str]) -> Screening:
    """A screening from the reports of all checks that were run, by id.

    Args:
        features: what rows were turned into. away: why other checks say nothing about such rows, by id.
    """
    suppliers = _suppliers(view, reports)
    named = {s.id for s in suppliers if s.named}
    return Screening(
        _combine.row_p(view, reports), _combine.flagged(view, reports), suppliers, _cells(view, reports, named), reports,
        tuple(c for c, few in zip(view.classes, view.abstained, strict=True) if few), features, _worst_first(reports),
        {digest: png for r in reports.values() for digest, png in r.exhibits.items()}, away, view,
    )  # fmt: skip


def not_applicable(view: View, checks: Iterable[Check]) -> dict[str, str]:
    """Why checks of other rows say nothing: neither passed nor skipped, for there is nothing they could have looked at."""
    return {
        check.id: f"a check of {' and '.join(_PLURAL[kind] for kind in check.of)}: these are {view.content.words.many}"
        for check in checks
    }


def _suppliers(view: View, reports: dict[str, CheckReport]) -> tuple[SupplierResult, ...]:
    p, q, loudest = _combine.supplier_q(view, reports)
    reasons = _reasons(reports)
    return tuple(
        SupplierResult(
            s, float(pi), float(qi), bool(qi < _combine.ALPHA),
            reasons.get(s, check) if qi < _combine.ALPHA else "",
        )
        for s, pi, qi, check in zip(view.suppliers, p, q, loudest, strict=True)
    )  # fmt: skip


def _cells(view: View, reports: dict[str, CheckReport], named: set[str]) -> tuple[CellResult, ...]:
    out = []
    for s, c, _ in view.cells:
        (p, q), supplier = _combine.cell_q(reports, (s, c)), view.suppliers[s]
        stands = supplier in named and q < _combine.ALPHA
        out.append(CellResult(supplier, view.classes[c], p, q, stands))
    return tuple(out)


def _reasons(reports: dict[str, CheckReport]) -> dict[str, str]:
    out: dict[str, list[str]] = {}
    for finding in _worst_first(reports):
        if finding.where.supplier and finding.severity in ("high", "critical"):
            out.setdefault(finding.where.supplier, []).append(finding.what)
    return {supplier: "; ".join(told[:3]) for supplier, told in out.items()}


def _worst_first(reports: dict[str, CheckReport]) -> tuple[Finding, ...]:
    every = [f for r in reports.values() if isinstance(r.outcome, Found) for f in r.outcome.findings]
    return tuple(sorted(every, key=lambda f: (-SEVERITIES.index(f.severity), -f.confidence)))
