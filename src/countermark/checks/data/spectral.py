"""data/spectral: rows of a class that share one addition to their pixels, whoever delivered them.

Finds patches, blends and stripes that are spread over all suppliers, which no test of suppliers can see. How: `_directions`.
"""

from __future__ import annotations

from countermark.checks.data._addition import Asked, report
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._directions import FLOOR
from countermark.checks.data._pixels import vectors
from countermark.checks.data._view import View

ASKED = Asked("data/spectral", "pixels", FLOOR)


def run(view: View) -> CheckReport:
    """Look at brightness at 32 x 32 and colour at 16 x 16."""
    return report(view, vectors(view.images), ASKED)


CHECK = Check(
    ASKED.check,
    1,
    run,
    "gap above 15 spreads, or twice the third widest of all classes",
    "none promised: it is a bound on a gap, no p-value; figures in docs/explanation/evaluation.md",
)
