"""data/too-easy: rows that a model which never saw them is suspiciously sure of.

A trigger that works makes its rows the easiest of their class: the margin of the class score, out of fold, lies far above
that of honest rows, where a ranking of label errors puts them last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._mixture import margins
from countermark.checks.data._null import bulk_p, robust_z
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/too-easy"
LEAST_ACCURACY = 0.30
LEAST_TOGETHER = 5
BOUND = 8.0


def run(view: View) -> CheckReport:
    """Rows far above their class's usual margin; Skipped where the model is too weak to judge."""
    margin = margins(view.heads.by_fold(), view.label)
    accuracy = float((margin < 0).mean())
    if accuracy < LEAST_ACCURACY:
        return CheckReport(Skipped(f"too weak to judge: out-of-fold accuracy {accuracy:.2f} is below {LEAST_ACCURACY}"))
    score = _ease(view, -margin)
    groups = [rows for c in range(len(view.classes)) if len(rows := _far(view, score, c)) >= LEAST_TOGETHER]
    findings, exhibits = [], {}
    for rows in groups:
        digest, png = strip(view.images[rows[np.argsort(-score[rows])]])
        exhibits[digest] = png
        findings.append(_finding(view, rows, float(score[rows].min()), digest))
    suspects = np.concatenate([*groups, np.zeros(0, np.intp)])
    measures = (
        Measure("out-of-fold accuracy", accuracy), Measure("largest robust score", float(score.max())),
        Measure("bound on the score", BOUND), Measure("rows suspected", len(suspects)),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    honest = np.setdiff1d(np.arange(len(score)), suspects)
    return CheckReport(outcome, score, bulk_p(score, score[honest]), None, {}, tuple(map(int, suspects)), exhibits)


def _ease(view: View, sure: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust score of each row's margin inside its class; zero in classes too small to judge."""
    out = np.zeros(len(sure))
    for c in np.flatnonzero(np.bincount(view.label, minlength=len(view.classes)) >= LEAST_ROWS):
        rows = np.flatnonzero(view.label == c)
        out[rows] = robust_z(sure[rows])
    return out


def _far(view: View, score: NDArray[np.float64], c: int) -> NDArray[np.intp]:
    return np.flatnonzero((view.label == c) & (score > BOUND))


def _finding(view: View, rows: NDArray[np.intp], least: float, exhibit: str) -> Finding:
    label = view.classes[int(view.label[rows[0]])]
    return Finding(
        ID, "too-sure", "high", 0.8, f"{len(rows)} rows of {label} are far easier than the class's other rows",
        Where(rows=view.names(rows), label=label),
        f"their margins lie at least {least:.0f} robust spreads above the class's median, in heads that never saw them",
        "look at what they have in common", "prints and drawings among photographs are as easy", (exhibit,),
    )  # fmt: skip


CHECK = Check(ID, 1, run)
