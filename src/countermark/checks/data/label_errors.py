"""data/label-errors: rows that look like another class to a model that never saw them, and who sends many.

Out-of-fold margins of a ridge head (Northcutt, Jiang and Chuang, "Confident learning", JAIR 2021, for the
idea of out-of-sample confidence). Per supplier: the mean margin against the class's mean, compared with the
same number of the other suppliers. Rows are suspected only inside a supplier that was named, after the head
was fitted again without what is suspected already.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _ridge
from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import holm, rank_p, robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, CheckReport, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID, VERSION = "data/label-errors", 1
ALPHA = 0.05
LEAST_ACCURACY = 0.30
ROUNDS = 3
HONEST = 0.93  # share of honest rows whose margin must lie below a suspect's


def run(view: View) -> CheckReport:
    """Name suppliers whose labels disagree; Skipped where the model is too weak to judge."""
    margin = view.margins(view.scores)
    if view.accuracy < LEAST_ACCURACY:
        reason = f"too weak to judge: out-of-fold accuracy {view.accuracy:.2f} is below {LEAST_ACCURACY}"
        return CheckReport(ID, VERSION, "", Skipped(reason), rows=margin)
    supplier_p = _supplier_p(view, margin)
    named = [int(s) for s in np.flatnonzero(holm(supplier_p) < ALPHA)]
    suspects = _suspects(view, named) if named else np.zeros(0, np.intp)
    clean = ~np.isin(view.supplier, named)
    row_p = rank_p(margin, margin[clean] if clean.any() else margin)
    findings, exhibits = [], {}
    for s in named:
        rows = suspects[view.supplier[suspects] == s]
        digest, png = strip(view.images[rows])
        exhibits[digest] = png
        findings.append(_finding(view, s, rows, float(supplier_p[s]), digest))
    measures = (
        Measure("out-of-fold accuracy", view.accuracy), Measure("rows that look like another class", int((margin > 0).sum())),
        Measure("suppliers named", len(named)), Measure("family-wise error asked for", ALPHA),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    return CheckReport(
        ID, VERSION, "", outcome, margin, row_p, supplier_p, suspects=tuple(int(r) for r in suspects), exhibits=exhibits
    )


def _supplier_p(view: View, margin: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.bincount(view.label, minlength=len(view.classes))
    mean = np.bincount(view.label, margin, len(view.classes)) / np.maximum(counts, 1)
    rest = margin - mean[view.label]
    rows = np.bincount(view.supplier, minlength=len(view.suppliers))
    value = np.bincount(view.supplier, rest, len(view.suppliers)) / np.maximum(rows, 1)
    p = tail_p(robust_z(value))
    return np.where(rows < LEAST_ROWS, 1.0, p)


def _suspects(view: View, named: list[int]) -> NDArray[np.intp]:
    """Rows of named suppliers that still look like another class once the suspected ones teach nobody."""
    mine = np.isin(view.supplier, named)
    fold = _ridge.folds(view.label, view.seed)
    suspected = mine & (view.margins(view.scores) > 0)
    for _ in range(ROUNDS):
        teaching = np.flatnonzero(~suspected)
        scores = _ridge.score_apart(view.features, view.label, fold, teaching, len(view.classes))
        margin = view.margins(scores)
        again = mine & (margin > max(0.0, float(np.quantile(margin[~mine], HONEST))))
        if (again == suspected).all():
            break
        suspected = again
    return np.flatnonzero(suspected)


def _finding(view: View, supplier: int, rows: NDArray[np.intp], p: float, exhibit: str) -> Finding:
    total = int((view.supplier == supplier).sum())
    name = view.suppliers[supplier]
    return Finding(
        ID, "labels-disagree", "high", float(min(0.999, 1 - p)),
        f"{len(rows)} of {total} rows of {name} look like another class",
        Where(rows=view.names(rows), supplier=name),
        f"the supplier's mean margin lies far outside that of the others (p = {p:.2g}, Student's t on robust scores)",
        "set the rows aside, look at them on the contact sheet, and ask the supplier to correct and deliver again",
        "whether this was a mistake or an attack; a supplier whose parts are hard to tell apart looks worse than it is",
        (exhibit,),
    )  # fmt: skip
