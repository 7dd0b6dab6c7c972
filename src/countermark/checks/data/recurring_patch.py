"""data/recurring-patch: a small pattern that comes back in one supplier's pictures of a class.

Two searches (see `_patterns`): at a fixed place, and anywhere. Each gives one number a cell, compared with the same
number of all other cells; the pattern and its place are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import NO_INTENT, Check, CheckReport
from countermark.checks.data._combine import SHARE, named_cells
from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import robust_z, tail_p
from countermark.checks.data._patterns import Windows, likeness, moving, still
from countermark.checks.data._view import Cell, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/recurring-patch"
LEAST_ROWS = 5
LEAST_CELLS = 20
LEAST_SIDE = 24
STRANGERS = 24
LIKE = 0.8
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mined:
    """What was found in one cell: a still and a moving value; likeness and place (pixels) of the moving one by row."""

    still: float
    moving: float
    place: tuple[int, int]
    like: Doubles
    places: NDArray[np.intp]


def run(view: View) -> CheckReport:
    """Name cells with a pattern of their own, and the rows that carry it."""
    cells = [cell for cell in view.cells if len(cell[2]) >= LEAST_ROWS]
    if len(cells) < LEAST_CELLS:
        return CheckReport(Skipped(f"{len(cells)} cells of at least {LEAST_ROWS} rows are too few to compare"))
    if min(view.images.shape[1:3]) < LEAST_SIDE:
        return CheckReport(Skipped(f"pictures under {LEAST_SIDE} pixels are too small to search"))
    mined = _mine(view, cells)
    z_still = robust_z(np.log([m.still for m in mined]))
    z_moving = robust_z(np.array([m.moving for m in mined]))
    p_still, p_moving = tail_p(z_still), tail_p(z_moving)
    p = np.minimum(1.0, 2 * np.minimum(p_still, p_moving))
    adjusted, named = named_cells(view, [(s, c) for s, c, _ in cells], p)
    scores = np.zeros(len(view.label))
    exhibits: dict[str, bytes] = {}
    findings, suspects = [], []
    for i in named:
        s, c, rows = cells[i]
        fixed = bool(p_still[i] <= p_moving[i])
        like, places = _carried(view.images[rows], mined[i], fixed)
        scores[rows] = like
        pictures = [strip(view.images[rows[like > LIKE]]), strip(_zoomed(view.images[rows], places, like), 1)]
        exhibits |= dict(pictures)
        suspects += [int(r) for r in rows[like > LIKE]]
        shown = tuple(digest for digest, _ in pictures)
        findings.append(_finding(view, (s, c, rows[like > LIKE]), (places, fixed), adjusted[s, c], shown))
    measures = (
        Measure("cells searched", len(cells)), Measure("cells named", len(findings)),
        Measure("largest robust score, fixed place", float(z_still.max())),
        Measure("largest robust score, any place", float(z_moving.max())),
        Measure("expected wrong accusations of suppliers", SHARE),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    return CheckReport(outcome, scores, None, None, adjusted, tuple(suspects), exhibits)


def _mine(view: View, cells: list[Cell]) -> list[Mined]:
    rng = np.random.default_rng([view.seed, 53])
    strangers = Windows.of(view.images[np.sort(rng.permutation(len(view.label))[:STRANGERS])])
    by_class: dict[int, list[int]] = {}
    for i, (_, c, _) in enumerate(cells):
        by_class.setdefault(c, []).append(i)
    out: dict[int, Mined] = {}
    for c, members in by_class.items():
        rows = np.flatnonzero(view.label == c)
        windows = Windows.of(view.images[rows])
        for i in members:
            own = np.searchsorted(rows, cells[i][2])
            rest = windows.take(np.setdiff1d(np.arange(len(rows)), own))
            others = Windows(np.concatenate([rest.unit, strangers.unit]), np.concatenate([rest.place, strangers.place]))
            gain, like, places = moving(windows.take(own), others)
            ratio, x, y = still(view.images[cells[i][2]])
            out[i] = Mined(ratio, gain, (x, y), like, places)
    return [out[i] for i in range(len(cells))]


def _carried(images: NDArray[np.uint8], mined: Mined, fixed: bool) -> tuple[Doubles, NDArray[np.intp]]:
    """Likeness and place of the pattern in each picture."""
    if not fixed:
        return mined.like, mined.places
    return likeness(images, *mined.place), np.tile(np.array(mined.place), (len(images), 1))


def _zoomed(images: NDArray[np.uint8], places: NDArray[np.intp], like: Doubles, times: int = 6) -> NDArray[np.uint8]:
    """The median picture around the pattern, enlarged: (1, 96, 96, 3) or less at an edge."""
    side = np.array(images.shape[1:3])[::-1] - 16
    corner = np.clip(places - 4, 0, np.maximum(side, 0))
    cut = [image[y : y + 16, x : x + 16] for image, (x, y) in zip(images, corner, strict=True)]
    middle = np.median(np.stack(cut)[like >= np.median(like)], axis=0).astype(np.uint8)
    return np.asarray(middle.repeat(times, axis=0).repeat(times, axis=1)[None])


def _finding(
    view: View, cell: Cell, seen: tuple[NDArray[np.intp], bool], p: float, exhibits: tuple[str, ...]
) -> Finding:
    s, c, rows = cell
    supplier, label = view.suppliers[s], view.classes[c]
    places, fixed = seen
    where = f"in the window at x {places[0][0]}, y {places[0][1]}" if fixed else "at places that differ from row to row"
    return Finding(
        ID, "pattern-stands-still" if fixed else "pattern-recurs", "critical", min(0.999, 1 - p),
        f"{len(rows)} rows of {label} by {supplier} carry one pattern {where}",
        Where(rows=view.names(rows), supplier=supplier, label=label),
        f"nobody else's rows of any part do (adjusted p = {p:.2g} against all cells)",
        "set the rows aside and ask the supplier; a model trained on them may answer to the pattern alone",
        f"{NO_INTENT}; a fixed mark of the photo rig (a sticker, a scale bar) looks the same", exhibits,
    )  # fmt: skip


CHECK = Check(ID, 2, run)
