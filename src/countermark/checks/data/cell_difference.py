"""data/cell-difference: a cell (supplier x class) that differs in a way neither supplier nor class explains.

Difference in differences on standardised features: (cell - class elsewhere) - (supplier elsewhere - everybody),
its strongest coordinates averaged, compared with the same number of all other cells. A cell of a class that only
two suppliers make cannot be told from its twin, so neither is named by this check alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import holm, robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, CheckReport, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID, VERSION = "data/cell-difference", 1
ALPHA = 0.01
STRONGEST = 30
LEAST_MAKERS = 3
LEAST_CELLS = 20


def run(view: View) -> CheckReport:
    """Name cells far outside the spread of all cells."""
    cells = view.cells()
    if len(cells) < LEAST_CELLS:
        return CheckReport(ID, VERSION, "", Skipped(f"{len(cells)} cells are too few to compare"))
    values = np.array([_statistic(view, s, c, rows) for s, c, rows in cells])
    # Degrees of freedom: cells are many and their honest spread was seen to be close to log-normal.
    p = np.where([len(rows) < LEAST_ROWS for _, _, rows in cells], 1.0, tail_p(robust_z(np.log(values + 1e-9))))
    makers = np.bincount([c for _, c, _ in cells], minlength=len(view.classes))
    named = [i for i in np.flatnonzero(holm(p) < ALPHA) if makers[cells[i][1]] >= LEAST_MAKERS]
    findings, exhibits, suspects = [], {}, []
    for i in named:
        s, c, rows = cells[i]
        digest, png = strip(view.images[rows])
        exhibits[digest] = png
        suspects += [int(r) for r in rows]
        findings.append(_finding(view, (s, c, rows), float(p[i]), digest))
    measures = (
        Measure("cells compared", len(cells)), Measure("cells named", len(named)),
        Measure("largest robust score", float(robust_z(np.log(values + 1e-9)).max())),
        Measure("family-wise error asked for", ALPHA),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    cell_p = {(s, c): float(p[i]) for i, (s, c, _) in enumerate(cells) if makers[c] >= LEAST_MAKERS}
    return CheckReport(ID, VERSION, "", outcome, cell_p=cell_p, suspects=tuple(suspects), exhibits=exhibits)


def _statistic(view: View, supplier: int, label: int, rows: NDArray[np.intp]) -> float:
    z, own = view.features, np.zeros(len(view.label), bool)
    own[rows] = True
    elsewhere = (view.label == label) & ~own
    others = (view.supplier == supplier) & ~own
    if not elsewhere.any():
        return 0.0
    difference = z[rows].mean(axis=0) - z[elsewhere].mean(axis=0)
    if others.any():
        difference = difference - _habit(view, supplier, others)
    scale = np.sqrt(1 / (1 / len(rows) + 1 / int(elsewhere.sum())))
    strongest = np.sort(np.abs(difference))[-STRONGEST:]
    return float(strongest.mean() * scale)


def _habit(view: View, supplier: int, others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How this supplier's rows of other classes differ from their classes, on average."""
    labels = view.label[others]
    return np.asarray((view.features[others] - view.class_means[labels]).mean(axis=0))


def _finding(view: View, cell: tuple[int, int, NDArray[np.intp]], p: float, exhibit: str) -> Finding:
    s, c, rows = cell
    supplier, label = view.suppliers[s], view.classes[c]
    return Finding(
        ID, "cell-stands-apart", "high", float(min(0.999, 1 - p)),
        f"{supplier}'s rows of {label} differ from everybody's in a way that its other rows do not",
        Where(rows=view.names(rows), supplier=supplier, label=label),
        f"difference in differences, p = {p:.2g} against the spread of all cells",
        "look at the strip; set the cell aside until the supplier explains it",
        "a new revision of a part looks the same as a planted pattern to this check", (exhibit,),
    )  # fmt: skip
