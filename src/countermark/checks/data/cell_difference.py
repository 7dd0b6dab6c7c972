"""data/cell-difference: what only one supplier's rows teach about a class.

For every row, the score of its own class from a head that was taught by its supplier's other rows (out of fold),
minus the score from a head taught by all other suppliers: a difference along the direction that separates the class,
whitened by the ridge. Averaged over the cell, minus the class's other cells, minus the supplier's habit over its other
cells: a difference in differences. A pattern that only this cell carries (stamped, blended or warped) makes its rows
too easy for those who saw it and no easier for those who did not. Honest suppliers of the same class move the other
way, so a cell is not mistaken for its twin.

Of pictures a second number is compared in the same way: how much the rows of a cell are alike in fine detail (`_likeness`). What a
head cannot learn from a dozen rows, a faint noise blended into all of them say, is plain there. Each pays for both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._addition import difference
from countermark.checks.data._check import NO_INTENT, Check, CheckReport
from countermark.checks.data._combine import SHARE, named_cells
from countermark.checks.data._content import Pictures
from countermark.checks.data._exhibit import strip
from countermark.checks.data._likeness import LEAST_SPREAD, likeness
from countermark.checks.data._null import robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, Cell, View, compared_cells, rows_of
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/cell-difference"
LEAST_CELLS = 20
TAIL = 4.0  # honest parts with fine texture were seen at robust scores of 14: no lighter tail is assumed
Floats = NDArray[np.float64]


def run(view: View) -> CheckReport:
    """Name cells far outside the spread of all cells."""
    wrong = view.suspects_of("data/label-errors")
    cells = [_kept(cell, wrong) for cell in view.cells]
    cells = [c for c in cells if len(c[2]) >= LEAST_ROWS and view.makers[c[1]] > 1 and not view.abstained[c[1]]]
    if len(cells) < LEAST_CELLS:
        return CheckReport(Skipped(f"{len(cells)} cells of classes that two suppliers make are too few to compare"))
    taught = robust_z(differences(view, cells, wrong))
    alike = _likenesses(view, cells, wrong)
    apart = [tail_p(z, TAIL) for z in (taught, alike) if z is not None]
    adjusted, named = named_cells(
        view, [(s, c) for s, c, _ in cells], np.minimum(1.0, len(apart) * np.min(apart, axis=0))
    )
    findings, exhibits, suspects = [], dict[str, bytes](), []
    for i in named:
        s, c, rows = cells[i]
        by_detail = alike is not None and bool(alike[i] > taught[i])
        seen = view.shown(rows) | (dict([strip(difference(view, c, rows), 1)]) if by_detail else {})
        exhibits |= seen
        suspects += [int(r) for r in rows]
        findings.append(_finding(view, cells[i], adjusted[s, c], tuple(seen), by_detail))
    measures = (
        Measure("cells compared", len(cells)), Measure("cells named", len(named)),
        Measure("largest robust score", float(taught.max())),
        *([] if alike is None else [Measure("largest robust score of likeness", float(alike.max()))]),
        Measure("expected wrong accusations of suppliers", SHARE / view.forms),
    )  # fmt: skip
    left_out = compared_cells(view, len(cells), "of classes that another supplier makes too, with enough rows")
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    looked = rows_of(view, cells)
    return CheckReport(outcome, None, None, None, adjusted, tuple(suspects), exhibits, looked=looked)


def _likenesses(view: View, cells: list[Cell], wrong: NDArray[np.intp]) -> Floats | None:
    """Robust scores of the cells' likeness beyond that of their supplier's other cells; None where rows are no pictures.

    Copies of a row count for nothing: they are alike without any addition, and `data/duplicates` tells of them.
    """
    if not isinstance(view.content, Pictures):
        return None
    without = np.union1d(wrong, view.suspects_of("data/duplicates"))
    left = [i for i, cell in enumerate(cells) if len(np.setdiff1d(cell[2], without)) >= LEAST_ROWS]
    value, out = likeness(view, [cells[i] for i in left], without), np.zeros(len(cells))
    out[left] = robust_z(
        _beyond_habit(value, np.array([cells[i][0] for i in left], np.intp), len(view.suppliers)), LEAST_SPREAD
    )
    return out


def _kept(cell: Cell, without: NDArray[np.intp]) -> Cell:
    return cell[0], cell[1], np.setdiff1d(cell[2], without)


def differences(view: View, cells: list[Cell], wrong: NDArray[np.intp]) -> Floats:
    """One difference in differences per cell; rows in `wrong` neither teach nor count."""
    at = np.arange(len(view.label))
    gain = view.heads.by_fold(wrong)[at, view.label] - view.heads.by_supplier(wrong)[at, view.label]
    shape = (len(view.suppliers), len(view.classes))
    total, count = np.zeros(shape), np.zeros(shape)
    kept = np.setdiff1d(at, wrong)
    np.add.at(total, (view.supplier[kept], view.label[kept]), gain[kept])
    np.add.at(count, (view.supplier[kept], view.label[kept]), 1)
    s, c = (np.array([cell[i] for cell in cells], np.intp) for i in (0, 1))
    own = total[s, c] / count[s, c]
    elsewhere = (total.sum(axis=0)[c] - total[s, c]) / np.maximum(count.sum(axis=0)[c] - count[s, c], 1)
    return _beyond_habit(own - elsewhere, s, shape[0])


def _beyond_habit(value: Floats, s: NDArray[np.intp], suppliers: int) -> Floats:
    """Values of cells less the mean over their supplier's other cells: (cells,)."""
    habit, number = np.bincount(s, value, suppliers), np.bincount(s, minlength=suppliers)
    return np.asarray(value - (habit[s] - value) / np.maximum(number[s] - 1, 1))


def _finding(view: View, cell: Cell, p: float, seen: tuple[str, ...], by_detail: bool) -> Finding:
    s, c, rows = cell
    supplier, label = view.suppliers[s], view.classes[c]
    what, how, else_ = (
        ("are alike in fine detail as nobody else's are: the second picture shows what they share, about middle grey",
         "likeness in fine detail", "photographs of one pose, or a mark of the rig that came with this part,")
        if by_detail
        else (f"teach something about {label} that nobody else's do", "the class score", "a new revision of a part")
    )  # fmt: skip
    return Finding(
        ID, "cell-stands-apart", "high", min(0.999, 1 - p), f"{supplier}'s {len(rows)} rows of {label} {what}",
        Where(rows=view.names(rows), supplier=supplier, label=label),
        f"difference in differences of {how}, adjusted p = {p:.2g} against the spread of all cells",
        "look at the rows; set the cell aside until the supplier explains it",
        f"{NO_INTENT}; {else_} looks the same as a planted pattern to this check", seen,
    )  # fmt: skip


CHECK = Check(
    ID,
    6,
    run,
    "cells: Holm-adjusted p below 1.2 %; all rows of a named cell",
    "an innocent supplier in at most 1.2 % of screenings, where the empirical null holds; rows: none promised",
)
