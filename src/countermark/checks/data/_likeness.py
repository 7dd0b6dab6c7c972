"""How much the rows of a cell are alike in fine detail: what was added to all of them stays in place while what they show moves.

Each picture less its local mean (3 x 3 pixels), in colour, is brought to length one, so that light and contrast count for
nothing. The mean inner product of two rows of the cell, less that of a row with other suppliers' rows of the class: what a part
looks like to everybody falls out. A picture that is blended into a whole cell at a fifth of its strength leaves inner products of
0.5 to 0.8, where honest cells have 0 to 0.15.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._view import Cell, View

WINDOW = 3
AT_ONCE = 512
LEAST_SPREAD = 0.01
"""Spread of likeness over cells below which differences mean nothing: that of cells of noise is smaller than any honest one's."""
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def likeness(view: View, cells: list[Cell], without: Rows) -> Floats:
    """Likeness inside each cell less that to the class's rows of other suppliers: (cells,), -2 to 2.

    Args:
        cells: of at least two rows, each of a class that another supplier has rows of. without: rows that do not count.
    """
    kept = ~np.isin(np.arange(len(view.label)), without)
    out = np.zeros(len(cells))
    for c in np.unique([cell[1] for cell in cells]):
        rows = np.flatnonzero(kept & (view.label == c))
        total, count = _sums(view.images, rows, view.supplier[rows], len(view.suppliers))
        for at in (i for i, cell in enumerate(cells) if cell[1] == c):
            out[at] = _alike(total, count, cells[at][0])
    return out


def _sums(images: NDArray[np.uint8], rows: Rows, owner: Rows, suppliers: int) -> tuple[Floats, Rows]:
    """Sum of the details of each supplier's rows, (suppliers, d), and how many there are."""
    total = np.zeros((suppliers, images[0].size))
    for begin in range(0, len(rows), AT_ONCE):
        fine, whose = detail(images[rows[begin : begin + AT_ONCE]]), owner[begin : begin + AT_ONCE]
        for s in np.unique(whose):
            total[s] += fine[whose == s].sum(axis=0)
    return total, np.bincount(owner, minlength=suppliers)


def detail(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pictures less their local means, each of length one (of nought where a picture has no detail): float32 (n, h * w * 3)."""
    from scipy.ndimage import uniform_filter

    pixels = images.astype(np.float32)
    fine = (pixels - uniform_filter(pixels, (0, WINDOW, WINDOW, 0))).reshape(len(images), -1)
    return np.asarray(fine / np.maximum(np.linalg.norm(fine, axis=1, keepdims=True), 1.0), np.float32)


def _alike(total: Floats, count: Rows, s: int) -> float:
    own, m, others = total[s], count[s], count.sum() - count[s]
    inside = (own @ own - m) / (m * (m - 1))
    return float(inside - own @ (total.sum(axis=0) - own) / (m * max(others, 1)))
