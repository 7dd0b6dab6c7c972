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
from countermark.checks.data._patterns import Moving, Windows, likeness, moving, still
from countermark.checks.data._view import Cell, View, compared_cells, rows_of
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/recurring-patch"
LEAST_ROWS = 5
LEAST_CELLS = 20
LEAST_SIDE = 24
STRANGERS = 24
LIKE = 0.8
LEAST_GAIN = 0.05  # correlations nearer than this are alike, however narrow the honest spread
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mined:
    """What was found in one cell: the still pattern's value and place (left, top pixel), and the moving one.

    moving: None where too few pictures of the class are somebody else's: what recurs may be the part itself.
    """

    still: float
    place: tuple[int, int]
    moving: Moving | None


def run(view: View) -> CheckReport:
    """Name cells with a pattern of their own, and the rows that carry it."""
    cells = [cell for cell in view.cells if len(cell[2]) >= LEAST_ROWS]
    if len(cells) < LEAST_CELLS:
        return CheckReport(Skipped(f"{len(cells)} cells of at least {LEAST_ROWS} rows are too few to compare"))
    if min(view.images.shape[1:3]) < LEAST_SIDE:
        return CheckReport(Skipped(f"pictures under {LEAST_SIDE} pixels are too small to search"))
    mined = _mine(view, cells)
    z_still = robust_z(np.log([m.still for m in mined]))
    gains = np.array([np.nan if m.moving is None else m.moving.gain for m in mined])
    z_moving = _compared(gains)
    p_still, p_moving = tail_p(z_still), np.where(np.isnan(gains), 1.0, tail_p(z_moving))
    p = np.minimum(1.0, 2 * np.minimum(p_still, p_moving))
    adjusted, named = named_cells(view, [(s, c) for s, c, _ in cells], p)
    scores = np.zeros(len(view.label))
    exhibits: dict[str, bytes] = {}
    findings, suspects = [], []
    for i in named:
        s, c, rows = cells[i]
        fixed = bool(p_still[i] <= p_moving[i])
        carrying, places = _carried(view.images[rows], mined[i], fixed)
        scores[rows] = carrying
        kept = rows[carrying > 0.5]
        pictures = [strip(view.images[kept]), strip(_zoomed(view.images[kept], places[carrying > 0.5]), 1)]
        exhibits |= dict(pictures)
        suspects += [int(r) for r in kept]
        shown = tuple(digest for digest, _ in pictures)
        findings.append(_finding(view, (s, c, kept), (places, fixed), adjusted[s, c], shown))
    measures = (
        Measure("cells searched", len(cells)), Measure("cells named", len(findings)),
        Measure("largest robust score, fixed place", float(z_still.max())),
        Measure("largest robust score, any place", float(z_moving.max())),
        Measure("expected wrong accusations of suppliers", SHARE / view.forms),
    )  # fmt: skip
    left_out = compared_cells(view, len(cells), "with enough rows") + _alone(gains)
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    looked = rows_of(view, cells)
    return CheckReport(outcome, scores, None, None, adjusted, tuple(suspects), exhibits, looked=looked)


def _compared(gains: Doubles) -> Doubles:
    """Robust scores of the gains that are known; 0 for the others."""
    known = ~np.isnan(gains)
    z = np.zeros(len(gains))
    z[known] = robust_z(gains[known], LEAST_GAIN)
    return z


def _alone(gains: Doubles) -> tuple[str, ...]:
    """What was not looked at because nobody else shows the part, in words."""
    alone = int(np.isnan(gains).sum())
    told = (
        f"a pattern that moves about was not looked for in {alone} cells: fewer than {LEAST_ROWS} pictures of the class"
    )
    return (f"{told} are by other suppliers, so that a pattern may be the part's own",) if alone else ()


def _mine(view: View, cells: list[Cell]) -> list[Mined]:
    known = _Known.of(view)
    by_class: dict[int, list[int]] = {}
    for i, (_, c, _) in enumerate(cells):
        by_class.setdefault(c, []).append(i)
    out: dict[int, Mined] = {}
    for c, members in by_class.items():
        rows = np.flatnonzero(view.label == c)
        windows = Windows.of(view.images[rows])
        for i in members:
            s, _, mine = cells[i]
            own = np.searchsorted(rows, mine)
            others = np.setdiff1d(np.arange(len(rows)), own)
            ratio, x, y = still(view.images[mine])
            beside = [windows.take(others), *known.beside(s, c)]
            out[i] = Mined(ratio, (x, y), moving(windows.take(own), beside) if len(others) >= LEAST_ROWS else None)
    return [out[i] for i in range(len(cells))]


@dataclass(frozen=True, slots=True)
class _Known:
    """Windows of a few pictures of every supplier, to know a supplier's rig, and everybody's, from a pattern."""

    windows: Windows
    supplier: NDArray[np.intp]
    label: NDArray[np.intp]

    @classmethod
    def of(cls, view: View) -> _Known:
        rng = np.random.default_rng([view.seed, 53])
        shuffled = rng.permutation(len(view.label))
        groups = [shuffled[view.supplier[shuffled] == s][:STRANGERS] for s in range(len(view.suppliers))]
        rows = np.concatenate(groups)
        return cls(Windows.of(view.images[rows]), view.supplier[rows], view.label[rows])

    def beside(self, s: int, c: int) -> tuple[Windows, Windows]:
        """Other classes of this supplier, and as many pictures of other suppliers."""
        own = np.flatnonzero((self.supplier == s) & (self.label != c))
        rest = np.flatnonzero(self.supplier != s)
        spaced = rest[:: max(1, len(rest) // STRANGERS)]
        return self.windows.take(own), self.windows.take(spaced)


def _carried(images: NDArray[np.uint8], mined: Mined, fixed: bool) -> tuple[Doubles, NDArray[np.intp]]:
    """How surely each picture carries the pattern (n,), above 0.5 where it does, and where (n, 2)."""
    if fixed or mined.moving is None:
        like = likeness(images, *mined.place)
        return np.clip(like - LIKE + 0.5, 0, 1), np.tile(np.array(mined.place), (len(images), 1))
    return np.clip(mined.moving.like - mined.moving.least + 0.5, 0, 1), mined.moving.place


def _zoomed(images: NDArray[np.uint8], places: NDArray[np.intp], times: int = 6) -> NDArray[np.uint8]:
    """The median picture around the pattern, enlarged: (1, 96, 96, 3)."""
    corner = np.clip(places - 4, 0, np.array(images.shape[2:0:-1]) - 16)
    cut = [image[y : y + 16, x : x + 16] for image, (x, y) in zip(images, corner, strict=True)]
    middle = np.median(np.stack(cut), axis=0).astype(np.uint8)
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


CHECK = Check(
    ID,
    4,
    run,
    "cells: Holm-adjusted p below 1.2 %; rows inside them: correlation with the pattern above 0.8",
    "an innocent supplier in at most 1.2 % of screenings, where the empirical null holds; rows: none promised",
    of=("pictures",),
)
