"""data/recurring-patch: a small pattern that stands still while the part moves.

In honest photographs of a cell the part is posed anew each time, so wherever there is contrast there is also
spread between pictures. A stamped trigger has contrast without spread. For every cell and every window the
ratio of the mean picture's contrast to the spread between pictures is taken, and its maximum is compared with
that of all other cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import holm, robust_z, tail_p
from countermark.checks.data._view import CheckReport, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID, VERSION = "data/recurring-patch", 1
ALPHA = 0.05
WINDOW = 8
NOISE = 9.0
LEAST_ROWS = 5
LEAST_CELLS = 20
LIKE = 0.8


def run(view: View) -> CheckReport:
    """Name cells with a pattern that stands still, and the rows that carry it."""
    cells = [cell for cell in view.cells() if len(cell[2]) >= LEAST_ROWS]
    if len(cells) < LEAST_CELLS:
        return CheckReport(ID, VERSION, "", Skipped(f"{len(cells)} cells are too few to compare"))
    mined = [mine(view.images[rows]) for _, _, rows in cells]
    z = robust_z(np.log([value for value, _, _ in mined]))
    p = tail_p(z)
    scores = np.zeros(len(view.label))
    findings, exhibits, suspects = [], {}, []
    for i in np.flatnonzero(holm(p) < ALPHA):
        (s, c, rows), (_, x, y) = cells[i], mined[i]
        like = likeness(view.images[rows], x, y)
        carrying = rows[like > LIKE]
        scores[rows] = like
        pictures = [strip(view.images[carrying]), strip(_zoomed(view.images[carrying], x, y), 1)]
        exhibits |= dict(pictures)
        suspects += [int(r) for r in carrying]
        findings.append(_finding(view, (s, c, carrying), (x, y), float(p[i]), tuple(d for d, _ in pictures)))
    measures = (
        Measure("cells searched", len(cells)), Measure("cells named", len(findings)),
        Measure("largest robust score", float(z.max())), Measure("family-wise error asked for", ALPHA),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    cell_p = {(s, c): float(p[i]) for i, (s, c, _) in enumerate(cells)}
    return CheckReport(ID, VERSION, "", outcome, scores, cell_p=cell_p, suspects=tuple(suspects), exhibits=exhibits)


def mine(images: NDArray[np.uint8]) -> tuple[float, int, int]:
    """Largest ratio of still contrast to spread over all windows, and the window's left and top pixel.

    Args:
        images: one cell, uint8 (n, h, w, 3).
    """
    stack = images.astype(np.float32)
    mean, spread = stack.mean(axis=0), stack.var(axis=0).mean(axis=-1)
    contrast = sum(_box(mean[..., c] ** 2) - _box(mean[..., c]) ** 2 for c in range(3)) / 3
    ratio = np.maximum(contrast, 0) / (_box(spread) + NOISE)
    y, x = np.unravel_index(int(ratio.argmax()), ratio.shape)
    return float(ratio[y, x]) + 1e-6, int(x), int(y)


def _box(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means over all WINDOW x WINDOW windows, by a summed-area table."""
    sums = np.cumsum(np.cumsum(np.pad(values.astype(np.float64), ((1, 0), (1, 0))), axis=0), axis=1)
    w = WINDOW
    return np.asarray((sums[w:, w:] - sums[:-w, w:] - sums[w:, :-w] + sums[:-w, :-w]) / (w * w))


def likeness(images: NDArray[np.uint8], x: int, y: int) -> NDArray[np.float64]:
    """Correlation of each picture's window with the cell's median window: (n,), -1 to 1."""
    window = images[:, y : y + WINDOW, x : x + WINDOW].reshape(len(images), -1).astype(np.float64)
    pattern = np.median(window, axis=0)
    a, b = window - window.mean(axis=1, keepdims=True), pattern - pattern.mean()
    return np.asarray(a @ b / (np.linalg.norm(a, axis=1) * np.linalg.norm(b) + 1e-9))


def _zoomed(images: NDArray[np.uint8], x: int, y: int, times: int = 6) -> NDArray[np.uint8]:
    """The median picture around the window, enlarged."""
    left, top = max(0, x - 4), max(0, y - 4)
    middle = np.median(images[:, top : top + 16, left : left + 16], axis=0).astype(np.uint8)
    return middle.repeat(times, axis=0).repeat(times, axis=1)[None]


def _finding(
    view: View, cell: tuple[int, int, NDArray[np.intp]], place: tuple[int, int], p: float, exhibits: tuple[str, ...]
) -> Finding:
    s, c, rows = cell
    supplier, label = view.suppliers[s], view.classes[c]
    return Finding(
        ID, "pattern-stands-still", "critical", float(min(0.999, 1 - p)),
        f"{len(rows)} rows of {label} by {supplier} carry one pattern at one place",
        Where(rows=view.names(rows), supplier=supplier, label=label),
        f"contrast without spread in the window at x {place[0]}, y {place[1]} (p = {p:.2g} against all cells)",
        "set the rows aside and ask the supplier; a model trained on them may answer to the pattern alone",
        "a fixed mark of the photo rig (a sticker, a scale bar) looks the same; patterns that move are not found", exhibits,
    )  # fmt: skip
