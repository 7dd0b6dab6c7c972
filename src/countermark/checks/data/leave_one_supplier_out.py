"""data/leave-one-supplier-out: what a model that never saw a supplier thinks of its labels.

Exact and closed-form from per-supplier sums (see `_ridge`). It turns "a dirty-label backdoor planted by one
supplier" into a plain label error, where the parts of that supplier are also made by others.
"""

from __future__ import annotations

import numpy as np

from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import holm, robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, CheckReport, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID, VERSION = "data/leave-one-supplier-out", 1
ALPHA = 0.05
LEAST_ACCURACY = 0.25
LEAST_CONFIDENT = 0.35


def run(view: View) -> CheckReport:
    """Name suppliers whose rows confidently look like one other class to everybody else's model."""
    shared = _shared(view)
    own = view.margins(view.left_out)
    accuracy = float((own[shared] < 0).mean()) if shared.any() else 0.0
    measures = (
        Measure("left-out accuracy", accuracy),
        Measure("rows of classes that others make too", int(shared.sum())),
    )
    if accuracy < LEAST_ACCURACY:
        reason = f"too weak to judge: accuracy on suppliers never seen is {accuracy:.2f}, below {LEAST_ACCURACY}"
        return CheckReport(ID, VERSION, "", Skipped(reason, measures), rows=own)
    confident = shared & (own > LEAST_CONFIDENT)
    rows = np.bincount(view.supplier[shared], minlength=len(view.suppliers))
    # All disagreeing rows, not only the confident ones: confident rows are rare among honest suppliers, so that
    # their share has no spread to compare with (measured: 2 to 5 honest suppliers named on clean sets).
    share = np.bincount(view.supplier[shared & (own > 0)], minlength=len(view.suppliers)) / np.maximum(rows, 1)
    p = np.where(rows < LEAST_ROWS, 1.0, tail_p(robust_z(share)))
    named = np.flatnonzero(holm(p) < ALPHA)
    findings, exhibits, suspects = [], {}, []
    for s in named:
        mine = np.flatnonzero(confident & (view.supplier == s))
        digest, png = strip(view.images[mine])
        exhibits[digest] = png
        suspects += [int(r) for r in mine]
        findings.append(
            Finding(
                ID,
                "others-disagree",
                "high",
                float(min(0.999, 1 - p[s])),
                f"{len(mine)} rows of {view.suppliers[s]} look like another class to a model of all other suppliers",
                Where(rows=view.names(mine), supplier=view.suppliers[s]),
                f"share {share[s]:.2f}, far outside that of the others (p = {p[s]:.2g})",
                "set the rows aside and look at them",
                "nothing about parts that only this supplier makes",
                (digest,),
            )  # fmt: skip
        )
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    return CheckReport(ID, VERSION, "", outcome, own, None, p, suspects=tuple(suspects), exhibits=exhibits)


def _shared(view: View) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows whose class at least one other supplier makes."""
    makers = np.zeros(len(view.classes), int)
    for _, c, _ in view.cells():
        makers[c] += 1
    return np.asarray(makers[view.label] > 1)
