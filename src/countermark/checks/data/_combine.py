"""Joining what the checks say: suppliers first, then cells, then rows inside what was named.

Five checks accuse (label-errors, leave-one-supplier-out, cell-difference, recurring-patch, spectral). Each controls its own
family-wise error over suppliers or cells by Holm or Bonferroni at its share of 5 %, so that a supplier is named exactly where a
check found something against it, and together they accuse an innocent with probability at most 5 % where the
empirical nulls hold. Where one screening compares rows of several forms, each by itself, every adjusted p-value is multiplied by
their number (Bonferroni), so that this holds over all of them. p-values are combined by weighted Bonferroni; ranks are never averaged. Spectral's share is small: where rows
stand apart at all, its p-values are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import CheckReport
from countermark.checks.data._null import bulk_p, holm
from countermark.checks.data._view import View

Floats = NDArray[np.float64]
ALPHA = 0.05
SHARE = 0.012
SHARES = {"data/spectral": 0.002}
"""Of the 5 % that accusing checks may spend; `SHARE` is that of each of the other four."""
UNINFORMED = 1.0  # weight of a check that suspects nothing, in rows
FLAGGED, ELSEWHERE = 0.9, 0.01
"""The stated prior: shares of bad rows among those set aside, and where nothing was found."""


def named_suppliers(view: View, p: Floats) -> tuple[Floats, list[int]]:
    """Holm-adjusted p-values of suppliers, and the codes of those below a check's share of 5 %."""
    adjusted = holm(p, view.forms)
    return adjusted, [int(s) for s in np.flatnonzero(adjusted < SHARE)]


def named_cells(view: View, cells: list[tuple[int, int]], p: Floats) -> tuple[dict[tuple[int, int], float], list[int]]:
    """Hierarchical: each supplier's best cell (Bonferroni over its cells), Holm over suppliers; then its cells by Holm.

    Args:
        cells: (supplier, class) codes. p: one p-value a cell.

    Returns:
        Adjusted p-values by cell, never below the supplier's own, and the positions of the cells named.
    """
    owner = np.array([s for s, _ in cells], np.intp)
    best = np.ones(len(view.suppliers))
    within = np.ones(len(cells))
    for s in map(int, np.unique(owner)):
        mine = np.flatnonzero(owner == s)
        within[mine] = holm(p[mine])
        best[s] = within[mine].min()
    adjusted = np.minimum(1.0, view.forms * np.maximum(within, holm(best)[owner]))
    return dict(zip(cells, map(float, adjusted), strict=True)), [int(i) for i in np.flatnonzero(adjusted < SHARE)]


def combined(check: str, p: Floats | float) -> Floats:
    """q of a check's adjusted p-values: they are below 5 % where the p-values are below the check's share of it."""
    return np.minimum(1.0, np.asarray(p, float) * (ALPHA / SHARES.get(check, SHARE)))


def supplier_q(view: View, reports: Mapping[str, CheckReport]) -> tuple[Floats, Floats, list[str]]:
    """(suppliers,) adjusted p-values and combined ones, and whose they are: of the check that spoke loudest about each."""
    p, q, loudest = np.ones(len(view.suppliers)), np.ones(len(view.suppliers)), [""] * len(view.suppliers)
    for name, report in reports.items():
        own = np.ones(len(q)) if report.supplier_p is None else report.supplier_p.copy()
        for (s, _), cell in report.cell_p.items():
            own[s] = min(own[s], cell)
        weighed = combined(name, own)
        for s in map(int, np.flatnonzero(weighed < q)):
            p[s], q[s], loudest[s] = own[s], weighed[s], name
    return p, q, loudest


def cell_q(reports: Mapping[str, CheckReport], cell: tuple[int, int]) -> tuple[float, float]:
    """Adjusted p-value of one cell and the combined one: of the check that spoke loudest."""
    own = [(r.cell_p.get(cell, 1.0), name) for name, r in reports.items()]
    q, p = min(((float(combined(name, p)), p) for p, name in own), default=(1.0, 1.0))
    return p, q


def flagged(view: View, reports: Mapping[str, CheckReport]) -> NDArray[np.bool_]:
    """(n,) rows that any check would set aside; every check has its own stricter level outside what it named."""
    out = np.zeros(len(view.label), bool)
    for report in reports.values():
        out[list(report.suspects)] = True
    return out


def row_p(view: View, reports: Mapping[str, CheckReport]) -> Floats:
    """(n,) combined p-values in (0, 1], against the rows that nothing was found about.

    Bonferroni over the checks that look at rows, each weighted by how many rows it takes for bad (weighted Bonferroni, Genovese,
    Roeder and Wasserman, Biometrika 2006), so that a check which found nothing does not dilute one that did. Rows inside
    what was found come before all others by the odds of the stated prior: a tenth of what is set aside may be clean; the rest of a
    supplier that was named is as bad as the check estimates of the cell; elsewhere 1 %. The result is calibrated against rows that
    nothing was found about, so that on clean data a share `a` of the rows lies at or below `a`.
    """
    share = prior(view, reports)
    odds = np.log(share / (1 - share) * (1 - ELSEWHERE) / ELSEWHERE)
    score = odds - np.log(_weighted(view, reports))
    honest = share == ELSEWHERE
    return np.maximum(bulk_p(score, score[honest] if honest.any() else score, 1.0), 1e-300)


def prior(view: View, reports: Mapping[str, CheckReport]) -> Floats:
    """(n,) share of bad rows where each row lies, before anything of its own is looked at: from `ELSEWHERE` to `FLAGGED`."""
    out = np.full(len(view.label), ELSEWHERE)
    for report in reports.values():
        if report.share is not None:
            out = np.maximum(out, np.minimum(report.share, FLAGGED))
    return np.where(flagged(view, reports), FLAGGED, out)


def _weighted(view: View, reports: Mapping[str, CheckReport]) -> Floats:
    """Smallest p-value of each row over checks, each divided by the check's weight; weights add up to 1."""
    looking = [r for r in reports.values() if r.row_p is not None]
    weight = np.array([UNINFORMED + max(len(r.suspects), r.expected) for r in looking])
    out = np.full(len(view.label), np.inf if looking else 1.0)
    for report, share in zip(looking, weight / weight.sum(), strict=True):
        out = np.minimum(out, np.asarray(report.row_p) / share)
    return np.asarray(np.maximum(out, 1e-290))
