"""data/image-scaling: a picture that turns into another one when it is scaled down to the model's input.

Two tests together (after Xiao et al., USENIX Security 2019, and Kim et al., Decamouflage, DSN 2021): global
disagreement between an area average and sparse sampling, and a local lattice test: do the very pixels that a
scaler keeps stand out from their neighbourhood? Pictures no larger than the model's input hide nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Where

ID = "data/image-scaling"
INPUT = 64
GLOBAL, LATTICE = 40.0, 60.0
BLOCK = 5


def run(view: View) -> CheckReport:
    """Flag pictures whose kept pixels disagree with the rest."""
    n, height, width = view.images.shape[:3]
    if min(height, width) <= INPUT:
        return CheckReport(Passed((Measure("pictures larger than the model's input", 0),)))
    scores = np.array([score(image) for image in view.images])
    bad = np.flatnonzero((scores[:, 0] > GLOBAL) | (scores[:, 1] > LATTICE))
    measures = (Measure("pictures larger than the model's input", n), Measure("pictures flagged", len(bad)))
    if not len(bad):
        return CheckReport(Passed(measures), scores.max(axis=1))
    digest, png = strip(view.images[bad, :: height // INPUT, :: width // INPUT])
    finding = Finding(
        ID, "hidden-by-scaling", "high", 0.9, f"{len(bad)} pictures change when they are scaled down",
        Where(rows=view.names(bad)),
        "the pixels that a scaler keeps stand out from their neighbourhood",
        "set them aside, and pin an area-averaging scaler in the recipe (it does not fall for this)",
        "calibrated on rendered parts only; fine regular textures (meshes, print rasters) can look the same", (digest,),
    )  # fmt: skip
    return CheckReport(Found((finding,), measures), scores.max(axis=1), suspects=tuple(map(int, bad)),
                       exhibits={digest: png})  # fmt: skip


def score(image: NDArray[np.uint8]) -> tuple[float, float]:
    """(global, lattice) disagreement in grey levels of one picture, uint8 (h, w, 3)."""
    grey = image.astype(np.float32).mean(axis=-1)
    step_y, step_x = grey.shape[0] // INPUT, grey.shape[1] // INPUT
    grey = grey[: INPUT * step_y, : INPUT * step_x]
    blocks = grey.reshape(INPUT, step_y, INPUT, step_x)
    area = blocks.mean(axis=(1, 3))
    worst_global = worst_lattice = 0.0
    for dy, dx in {(0, 0), (step_y // 2, step_x // 2)}:
        kept = blocks[:, dy, :, dx]
        rest = (blocks.sum(axis=(1, 3)) - kept) / max(step_y * step_x - 1, 1)
        gap = np.abs(kept - area)
        worst_global = max(worst_global, float(gap.mean()))
        local = np.abs(kept - rest)
        worst_lattice = max(worst_lattice, float(_blocks(local).max()))
    return worst_global, worst_lattice


def _blocks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Medians over BLOCK x BLOCK neighbourhoods, so that a single edge pixel does not count."""
    view = np.lib.stride_tricks.sliding_window_view(values, (BLOCK, BLOCK))
    return np.asarray(np.median(view, axis=(2, 3)))


CHECK = Check(ID, 2, run)
