"""data/leave-one-supplier-out: what a model that never saw a supplier thinks of its labels.

Exact and closed-form from per-supplier sums (see `_ridge`). It turns "a dirty-label backdoor planted by one supplier"
into a plain label error, where the parts of that supplier are also made by others.

A supplier that only photographs (or measures) differently looks wrong to everybody else's model too. It is told from one whose labels
are wrong by the out-of-fold head, which knows its photographs: a supplier is named only where that head disagrees as well.
Others that stand apart are counted as drift.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import NO_INTENT, Check, CheckReport
from countermark.checks.data._combine import SHARE, named_suppliers
from countermark.checks.data._mixture import WrongLabels, margins
from countermark.checks.data._null import bulk_p, robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/leave-one-supplier-out"
LEAST_ACCURACY = 0.25
SURE = 0.9
AGREEING = 0.05
Floats = NDArray[np.float64]


def run(view: View) -> CheckReport:
    """Name suppliers whose rows look like other classes to everybody else's model."""
    shared = (view.makers[view.label] > 1) & ~view.abstained[view.label]
    scores = view.heads.by_supplier(view.suspects_of("data/recurring-patch", "data/label-errors"))
    margin = margins(scores, view.label)
    accuracy = float((margin[shared] < 0).mean()) if shared.any() else 0.0
    measures: tuple[Measure, ...] = (
        Measure("left-out accuracy", accuracy), Measure("rows of classes that others make too", int(shared.sum())),
        Measure("expected wrong accusations of suppliers", SHARE / view.forms),
    )  # fmt: skip
    if accuracy < LEAST_ACCURACY:
        reason = f"too weak to judge: accuracy on suppliers never seen is {accuracy:.2f}, below {LEAST_ACCURACY}"
        return CheckReport(Skipped(reason, measures), margin)
    apart, standing = named_suppliers(view, _supplier_p(view, margin, shared))
    known = margins(view.heads.by_fold(view.suspects_of("data/recurring-patch")), view.label)
    adjusted = np.where(_supplier_p(view, known, shared) < AGREEING, apart, 1.0)
    named = [s for s in standing if adjusted[s] < SHARE]
    measures = (*measures, Measure("suppliers that stand apart by drift alone", len(standing) - len(named)))
    honest = np.flatnonzero(shared & ~np.isin(view.supplier, named))
    posterior = _posterior(view, scores, margin, honest, np.flatnonzero(shared & np.isin(view.supplier, named)))
    findings, exhibits = _told(view, named, adjusted, posterior, shared)
    alone = int((~shared).sum())
    left_out = (f"{alone} rows of classes that one supplier alone makes, or of too few rows",) if alone else ()
    outcome = Found(findings, measures, left_out) if findings else Passed(measures, left_out)
    row_p = bulk_p(margin, margin[honest]) if len(honest) else None
    suspects = np.flatnonzero(posterior > SURE)
    report = CheckReport(outcome, margin, row_p, adjusted, {}, tuple(map(int, suspects)), exhibits, looked=shared)
    return _expected(report, posterior, suspects)


def _told(
    view: View, named: list[int], adjusted: Floats, posterior: Floats, shared: NDArray[np.bool_]
) -> tuple[tuple[Finding, ...], dict[str, bytes]]:
    """One finding a named supplier, and the pictures that they show."""
    findings, exhibits = [], dict[str, bytes]()
    for s in named:
        mine = np.flatnonzero(shared & (view.supplier == s))
        bad = mine[posterior[mine] > SURE]
        seen = view.shown(bad if len(bad) else mine)
        exhibits |= seen
        findings.append(_finding(view, s, bad, float(adjusted[s]), tuple(seen)))
    return tuple(findings), exhibits


def _expected(report: CheckReport, posterior: Floats, suspects: NDArray[np.intp]) -> CheckReport:
    """The same report with what share of the suspects should be wrong, and of the wrong ones suspected."""
    if not len(suspects):
        return report
    right = float(posterior[suspects].sum())
    return replace(report, precision=right / len(suspects), recall=right / float(posterior.sum()))


def _supplier_p(view: View, margin: Floats, shared: NDArray[np.bool_]) -> Floats:
    """Mean margin against the class's mean, over rows whose class others make too, and against other suppliers'."""
    label, supplier = view.label[shared], view.supplier[shared]
    count = np.bincount(label, minlength=len(view.classes))
    mean = np.bincount(label, margin[shared], len(view.classes)) / np.maximum(count, 1)
    rows = np.bincount(supplier, minlength=len(view.suppliers))
    value = np.bincount(supplier, margin[shared] - mean[label], len(view.suppliers)) / np.maximum(rows, 1)
    p = np.ones(len(rows))
    p[rows >= LEAST_ROWS] = tail_p(robust_z(value[rows >= LEAST_ROWS]))
    return p


def _posterior(view: View, scores: Floats, margin: Floats, honest: NDArray[np.intp], mine: NDArray[np.intp]) -> Floats:
    """(n,) probability that a row's label is wrong: of the rows of named suppliers, each supplier's share its own; 0 elsewhere."""
    out = np.zeros(len(margin))
    if len(honest) and len(mine):
        wrong = WrongLabels.learn(scores, view.label, honest, view.seed)
        for s in np.unique(view.supplier[mine]):
            own = mine[view.supplier[mine] == s]
            out[own] = wrong.posterior(margin[own], wrong.share(margin[own]))
    return out


def _finding(view: View, s: int, rows: NDArray[np.intp], p: float, seen: tuple[str, ...]) -> Finding:
    name = view.suppliers[s]
    return Finding(
        ID, "others-disagree", "high", min(0.999, 1 - p),
        f"{len(rows)} rows of {name} look like another class to a model of all other suppliers",
        Where(rows=view.names(rows), supplier=name), f"mean left-out margin far outside that of the others (adjusted p = {p:.2g})",
        "set the rows aside and look at them", f"{NO_INTENT}; nothing about parts that only this supplier makes", seen,
    )  # fmt: skip


CHECK = Check(
    ID,
    7,
    run,
    "suppliers: Holm-adjusted p below 1.2 %; their rows: posterior above 0.9",
    "an innocent supplier in at most 1.2 % of screenings, where the empirical null holds; rows: one less the expected precision",
)
