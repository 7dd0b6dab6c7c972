"""data/spectral: rows of a class that share one addition to their pixels, whoever delivered them.

Finds patches, blends and stripes that are spread over all suppliers, which no test of suppliers can see, and names the supplier
where they are one supplier's alone. How: `_directions`.
"""

from __future__ import annotations

from countermark.checks.data._addition import ALARMS, OPERATING, Asked, report
from countermark.checks.data._bank import patterns
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._directions import FLOOR
from countermark.checks.data._pixels import BRIGHTNESS, vectors
from countermark.checks.data._view import View

NAME = "data/spectral"


def run(view: View) -> CheckReport:
    """Look at brightness at 32 x 32 and colour at 16 x 16."""
    x = vectors(view.images)
    height, width = (min(BRIGHTNESS, side) for side in view.images.shape[1:3])
    return report(view, x, Asked(NAME, "pixels", FLOOR, patterns(height, width, x.shape[1]), accuses=True))


CHECK = Check(
    NAME,
    3,
    run,
    OPERATING + "; who alone has four fifths of its rows apart is named below p = 0.002",
    ALARMS,
    of=("pictures",),
)
