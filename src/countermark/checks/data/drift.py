"""data/drift: a supplier whose pictures differ from the others' in how they were taken, with the cause. Not poison.

Seven properties of every picture are compared inside its class, then averaged over the supplier (or delivery, where
suppliers deliver more than once), against the same number of all others: a difference by more than the honest spread is
told with its cause. Nothing is set aside and nobody is accused: what a person does is ask whether the rig changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _properties
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import holm, robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/drift"
LEAST_SUPPLIERS = 5
BOUND = 0.01
LEAST_EFFECT = 1.0  # in spreads of single pictures: less changes no model
Floats = NDArray[np.float64]
CAUSES = ("brightness", "contrast", "colour cast", "saturation", "blur", "noise", "size")


def run(view: View) -> CheckReport:
    """Suppliers that photograph differently, and how."""
    count = np.bincount(view.supplier, minlength=len(view.suppliers))
    able = np.flatnonzero(count >= LEAST_ROWS)
    if len(able) < LEAST_SUPPLIERS:
        return CheckReport(Skipped(f"{len(able)} suppliers of at least {LEAST_ROWS} rows are too few to compare"))
    effect = _effects(view, properties(view))[able]
    p = np.stack([tail_p(np.abs(robust_z(column))) for column in effect.T], axis=1)
    adjusted = holm(p.ravel()).reshape(p.shape)
    found = (adjusted < BOUND) & (np.abs(effect) >= LEAST_EFFECT)
    findings, exhibits = [], dict[str, bytes]()
    for at in map(int, np.flatnonzero(found.any(axis=1))):
        digest, png = strip(view.images[view.supplier == able[at]])
        exhibits[digest] = png
        findings.append(_finding(view, int(able[at]), effect[at], adjusted[at], found[at], digest))
    measures = (
        Measure("suppliers compared", len(able)), Measure("suppliers that drift", len(findings)),
        Measure("largest effect", float(np.abs(effect).max()), "spreads of single pictures"),
        Measure("bound on adjusted p", BOUND),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    return CheckReport(outcome, exhibits=exhibits)


def properties(view: View) -> Floats:
    """(n, 7) in the order of `CAUSES`; size is the logarithm of the pixels delivered, zero where not known."""
    pixels = _properties.properties(view.images) if view.properties is None else view.properties
    size = np.zeros(len(view.label)) if view.sizes is None else np.log(np.maximum(view.sizes, 1).prod(axis=1))
    return np.column_stack([pixels, size])


def _effects(view: View, values: Floats) -> Floats:
    """(suppliers, properties) mean difference to other suppliers' rows of the same class, in spreads of single rows."""
    out, weight = np.zeros((len(view.suppliers), values.shape[1])), np.zeros(len(view.suppliers))
    for s, c, rows in view.cells:
        others = np.flatnonzero((view.label == c) & (view.supplier != s))
        if len(others) >= LEAST_ROWS:
            out[s] += len(rows) * (values[rows].mean(axis=0) - np.median(values[others], axis=0))
            weight[s] += len(rows)
    middle = np.stack([np.median(values[view.label == c], axis=0) for c in range(len(view.classes))])
    spread = 1.4826 * np.median(np.abs(values - middle[view.label]), axis=0)
    return np.asarray(out / np.maximum(weight, 1)[:, None] / np.maximum(spread, 1e-3))


def _finding(view: View, s: int, effect: Floats, p: Floats, found: NDArray[np.bool_], exhibit: str) -> Finding:
    told = sorted((i for i in range(len(CAUSES)) if found[i]), key=lambda i: -abs(effect[i]))
    causes = ", ".join(
        f"{'more' if effect[i] > 0 else 'less'} {CAUSES[i]} ({abs(effect[i]):.1f} spreads)" for i in told
    )
    name = view.suppliers[s]
    return Finding(
        ID, "photographs-differ", "low", float(1 - p[told[0]]), f"{name} photographs differently: {causes}",
        Where(supplier=name), f"against other suppliers' rows of the same classes; adjusted p = {p[told[0]]:.2g}",
        "ask whether camera, light or file export changed; train with such pictures or ask for the prescribed rig",
        "drift is no sign of poison; a model may do worse on this supplier's parts all the same", (exhibit,),
    )  # fmt: skip


CHECK = Check(ID, 1, run)
