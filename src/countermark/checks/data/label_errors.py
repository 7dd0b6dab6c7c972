"""data/label-errors: rows that look like another class to a model that never saw them, and who sends many.

Out-of-fold margins of a ridge head (Northcutt, Jiang and Chuang, "Confident learning", JAIR 2021, for the idea of
out-of-sample confidence). Per supplier: the mean margin against the class's mean, compared with the same number of
the other suppliers. Rows: the posterior of a wrong label, with the share estimated inside each named supplier; outside
only where wrong labels are clearly there, and at a stricter level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import NO_INTENT, Check, CheckReport
from countermark.checks.data._combine import SHARE, named_suppliers
from countermark.checks.data._mixture import WrongLabels, margins
from countermark.checks.data._null import bulk_p, robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/label-errors"
LEAST_ACCURACY = 0.30
LEAST_FOR_SPREAD = 0.80  # a weaker model's own mistakes look like wrong labels of everybody
ROUNDS = 3
INSIDE = 0.5
PRECISION = 0.9  # expected of the rows set aside outside named suppliers
SPREAD_SHARE = 0.005  # wrong labels outside named suppliers are searched only above this share
Rows = NDArray[np.intp]
Floats = NDArray[np.float64]


def run(view: View) -> CheckReport:
    """Name suppliers whose labels disagree; Skipped where the model is too weak to judge."""
    # A backdoored cell makes the same class of honest suppliers look wrong: its rows teach nobody here.
    poisoned = view.suspects_of("data/recurring-patch")
    margin = margins(view.single.by_fold(_unfit_to_teach(view)), view.label)
    accuracy = float((margin < 0).mean())
    if accuracy < LEAST_ACCURACY:
        reason = f"too weak to judge: out-of-fold accuracy {accuracy:.2f} is below {LEAST_ACCURACY}"
        return CheckReport(Skipped(reason, (Measure("out-of-fold accuracy", accuracy),)), margin)
    adjusted, named = named_suppliers(view, _supplier_p(view, margin, poisoned))
    asked, posterior, share, margin = _posterior(view, named)
    inside = np.isin(view.supplier, named)
    bad = ~view.abstained[view.label] & _set_aside(posterior, asked, inside)
    findings, exhibits = [], dict[str, bytes]()
    for s in [*named, None]:
        rows = np.flatnonzero(bad & (~inside if s is None else view.supplier == s))
        if s is not None or len(rows):
            shown = rows[np.argsort(-posterior[rows])] if len(rows) else np.flatnonzero(view.supplier == s)
            seen = view.shown(shown)
            exhibits |= seen
            findings.append(_finding(view, s, rows, adjusted, posterior, tuple(seen)))
    measures = (
        Measure("out-of-fold accuracy", accuracy), Measure("suppliers named", len(named)), Measure("rows suspected", int(bad.sum())),
        Measure("expected wrong accusations of suppliers", SHARE / view.forms),
        *([Measure("expected precision of the rows", float(posterior[bad].mean())),
           Measure("expected recall inside named suppliers", _recall(posterior, bad, inside))] if bad.any() else []),
    )  # fmt: skip
    left_out = (
        ()
        if _accurate(margin)
        else (f"wrong labels outside named suppliers: the model is right on {accuracy:.0%} only",)
    )
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    row_p = bulk_p(margin, margin[~inside & ~bad] if (~inside & ~bad).any() else margin)
    taken = float(posterior[asked].sum())
    precision, recall = (
        (float(posterior[bad].mean()), float(posterior[bad].sum()) / taken) if bad.any() else (None, None)
    )
    return CheckReport(outcome, margin, row_p, adjusted, {}, tuple(map(int, np.flatnonzero(bad))), exhibits, taken,
                       precision, recall, ~view.abstained[view.label], share)  # fmt: skip


def _unfit_to_teach(view: View) -> Rows:
    """Rows that carry a trigger, as far as earlier checks know."""
    return view.suspects_of("data/recurring-patch", "data/spectral", "data/frequency")


def _supplier_p(view: View, margin: Floats, poisoned: Rows) -> Floats:
    kept = ~np.isin(np.arange(len(margin)), poisoned)
    label, supplier = view.label[kept], view.supplier[kept]
    count = np.bincount(label, minlength=len(view.classes))
    mean = np.bincount(label, margin[kept], len(view.classes)) / np.maximum(count, 1)
    rows = np.bincount(supplier, minlength=len(view.suppliers))
    value = np.bincount(supplier, margin[kept] - mean[label], len(view.suppliers)) / np.maximum(rows, 1)
    return np.where(rows < LEAST_ROWS, 1.0, tail_p(robust_z(value)))


def _posterior(view: View, named: list[int]) -> tuple[NDArray[np.bool_], Floats, Floats, Floats]:
    """Which rows are asked about, the probability of a wrong label, its share in their cell, and margins from heads without the suspected."""
    n = len(view.label)
    inside = np.isin(view.supplier, named)
    unfit = _unfit_to_teach(view)
    honest = np.setdiff1d(np.flatnonzero(~inside), unfit)
    asked, posterior, share, margin = inside.copy(), np.zeros(n), np.zeros(n), np.zeros(n)
    if not len(honest):
        return asked, posterior, share, margins(view.single.by_fold(unfit), view.label)
    untaught = unfit
    for _ in range(ROUNDS):
        scores = view.single.by_fold(untaught)
        margin = margins(scores, view.label)
        wrong = WrongLabels.learn(scores, view.label, honest, view.seed)
        for s in named:
            mine = view.supplier == s
            share[mine] = wrong.shares(margin[mine], view.label[mine])
            posterior[mine] = wrong.posterior(margin[mine], share[mine])
        spread = 2 * float((margin[honest] > wrong.middle).mean())  # half of all wrong labels lie above the middle
        if spread > SPREAD_SHARE and _accurate(margin):
            posterior[honest], asked[honest] = wrong.within(margin[honest], spread), True
        again = np.union1d(unfit, np.flatnonzero(_set_aside(posterior, asked, inside)))
        if np.array_equal(again, untaught):
            break
        untaught = again
    return asked, posterior, share, margin


def _set_aside(posterior: Floats, asked: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Inside named suppliers the likely ones; outside as many as keep their expected precision at `PRECISION`."""
    out = asked & inside & (posterior > INSIDE)
    rest = np.flatnonzero(asked & ~inside)
    order = rest[np.argsort(-posterior[rest], kind="stable")]
    precise = np.cumsum(posterior[order]) >= PRECISION * np.arange(1, len(order) + 1)
    out[order[: int(np.flatnonzero(precise)[-1]) + 1 if precise.any() else 0]] = True
    return out


def _accurate(margin: Floats) -> bool:
    return float((margin < 0).mean()) >= LEAST_FOR_SPREAD


def _recall(posterior: Floats, bad: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    total = float(posterior[inside].sum())
    return float(posterior[inside & bad].sum()) / total if total else 0.0


def _finding(
    view: View, s: int | None, rows: Rows, adjusted: Floats, posterior: Floats, seen: tuple[str, ...]
) -> Finding:
    expected = f"{posterior[rows].sum():.0f} of them are expected to be wrong" if len(rows) else "no row stands out"
    if s is None:
        return Finding(
            ID, "labels-disagree", "medium", float(posterior[rows].mean()),
            f"{len(rows)} rows of {len(np.unique(view.supplier[rows]))} suppliers look like another class",
            Where(rows=view.names(rows)), f"as many as keep the expected precision at {PRECISION:.0%}; {expected}",
            f"{view.content.words.look}: accept, relabel or reject each",
            "parts that look alike to the model look like this too; no supplier stands out", seen,
        )  # fmt: skip
    name, total = view.suppliers[s], int((view.supplier == s).sum())
    return Finding(
        ID, "labels-disagree", "high", float(min(0.999, 1 - adjusted[s])),
        f"{len(rows)} of {total} rows of {name} look like another class", Where(rows=view.names(rows), supplier=name),
        f"the supplier's mean margin lies far outside that of the others (adjusted p = {adjusted[s]:.2g}); {expected}",
        f"set the rows aside, {view.content.words.look}, and ask the supplier to correct and deliver again",
        f"{NO_INTENT}; a supplier whose parts are hard to tell apart looks worse than it is", seen,
    )  # fmt: skip


CHECK = Check(
    ID,
    6,
    run,
    "suppliers: Holm-adjusted p below 1.2 %; their rows: posterior above 0.5; other rows: as many as keep an expected precision of 90 %",
    "an innocent supplier in at most 1.2 % of screenings, where the empirical null holds; rows: one less the expected precision",
)
