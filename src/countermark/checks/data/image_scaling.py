"""data/image-scaling: a picture that turns into another one when it is scaled down to the model's input.

A scaler without area averaging keeps the pixels of a sparse lattice and drops the rest (Xiao et al., USENIX Security
2019). For every common target size and three ways to sample, what the lattice keeps is compared with what lies between,
block by block. What lies between is sampled on lattices shifted away from the scaler's, which no
attacker gains from; their own disagreement is the null inside the same picture. Pictures no larger than the model's input hide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/image-scaling"
INPUT = 64
TARGETS = (32, 64, 96, 112, 128, 160, 224, 256, 299, 384, 512)
LEAST_RATIO = 2.0
SHIFTS = ((0.3, 0.75), (0.75, 0.3), (0.8, 0.8), (0.0, 0.8), (0.8, 0.0), (0.0, 0.5), (0.5, 0.0))
MOST_SHARED = 0.3
BLOCK = 3
BOUND = 5.8
NOISE = 2.0
Floats = NDArray[np.float32]


def run(view: View) -> CheckReport:
    """Flag pictures whose kept pixels disagree with the rest.

    Passed where every picture is known to have been no larger than the model's input; Skipped where pictures come at the
    model's size and nobody says what size they had, or where they were scaled down on the way.
    """
    height, width = view.images.shape[1:3]
    if view.sizes is not None:
        shrunk = int((view.sizes > (width, height)).any(axis=1).sum())
        if shrunk:
            return CheckReport(
                Skipped(f"{shrunk} pictures were scaled down to {width} x {height} before they came here")
            )
        if max(height, width) <= INPUT:
            return CheckReport(Passed((Measure("pictures larger than the model's input", 0),)))
    sizes = targets(height, width)
    if min(height, width) <= INPUT or not sizes:
        return CheckReport(
            Skipped(
                f"all pictures are {width} x {height}, already the model's size: whether they were larger is not known"
            )
        )
    ranked = np.array([score(image) for image in view.images])
    bad = np.flatnonzero(ranked > BOUND)
    measures = (
        Measure("pictures looked at", len(ranked)), Measure("target sizes tried", len(sizes)), Measure("pictures flagged", len(bad)),
        Measure("bound on the ratio", BOUND),
    )  # fmt: skip
    if not len(bad):
        return CheckReport(Passed(measures), ranked)
    worst = bad[np.argsort(-ranked[bad])]
    digest, png = strip(view.images[worst])
    findings = tuple(_finding(view, s, worst, digest) for s in np.unique(view.supplier[worst]))
    return CheckReport(Found(findings, measures), ranked, suspects=tuple(map(int, bad)), exhibits={digest: png})


def targets(height: int, width: int) -> tuple[int, ...]:
    """Target sizes that pictures of this size could be attacked at."""
    return tuple(t for t in TARGETS if min(height, width) >= LEAST_RATIO * t)


def score(image: NDArray[np.uint8]) -> float:
    """Largest ratio of what a scaler keeps to its surroundings, over all blocks, targets and samplers; 1 to 5 if honest.

    Args:
        image: uint8 (h, w, 3).
    """
    grey = image.astype(np.float32).sum(axis=-1) / 3
    worst = 1.0
    for size in targets(*grey.shape):
        lattice = Lattice.of(*grey.shape, size)
        if not lattice.shifted:
            continue
        off = np.stack([grey[np.ix_(y, x)] for y, x in lattice.shifted])
        around = off.mean(axis=0)
        calm = np.max([_blocks(np.abs(o - around)) for o in off], axis=0)
        for y, x in lattice.kept:
            gap = _blocks(np.abs(grey[np.ix_(y, x)] - around))
            worst = max(worst, float(((gap + NOISE) / (calm + 3 * NOISE)).max()))
    return worst


@dataclass(frozen=True, slots=True)
class Lattice:
    """Source lines (rows, columns) of a scaler's samples: those it keeps, and the same shifted away from them."""

    kept: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    shifted: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]

    @staticmethod
    @cache
    def of(height: int, width: int, size: int) -> Lattice:
        """For pictures of this size scaled to size x size."""
        kept = tuple((_kept(height, size, how), _kept(width, size, how)) for how in ("corner", "centre", "before"))
        shifted = []
        for dy, dx in SHIFTS:
            y, x = (
                ((np.arange(size) + d) * length / size).astype(np.intp) for d, length in ((dy, height), (dx, width))
            )
            if all(np.mean(y == ky) * np.mean(x == kx) < MOST_SHARED for ky, kx in kept):
                shifted.append((y, x))
        return Lattice(kept, tuple(shifted))


def _kept(length: int, size: int, how: str) -> NDArray[np.intp]:
    """Lines that OpenCV's nearest ("corner"), Pillow's nearest ("centre") or a two-tap bilinear ("before") keeps."""
    step = length / size
    centre = (np.arange(size) + 0.5) * step
    at = {"corner": np.arange(size) * step, "centre": centre, "before": centre - 0.5}[how]
    return np.asarray(np.clip(at, 0, length - 1), np.intp)


def _blocks(values: Floats) -> NDArray[np.float64]:
    """Means over BLOCK x BLOCK neighbourhoods, so that a single edge pixel does not count."""
    sums = np.cumsum(np.cumsum(np.pad(values.astype(np.float64), ((1, 0), (1, 0))), axis=0), axis=1)
    b = BLOCK
    return np.asarray((sums[b:, b:] - sums[:-b, b:] - sums[b:, :-b] + sums[:-b, :-b]) / b**2)


def _finding(view: View, s: int, bad: NDArray[np.intp], exhibit: str) -> Finding:
    rows, name = bad[view.supplier[bad] == s], view.suppliers[s]
    return Finding(
        ID, "hidden-by-scaling", "high", 0.9, f"{len(rows)} pictures of {name} change when they are scaled down",
        Where(rows=view.names(rows), supplier=name),
        "the pixels that a scaler keeps stand out from those it drops, more than on shifted lattices",
        "set them aside, and pin an area-averaging scaler in the recipe (it does not fall for this)",
        "fine regular textures whose period is the scaler's step (meshes, print rasters) can look the same", (exhibit,),
    )  # fmt: skip


CHECK = Check(ID, 4, run)
