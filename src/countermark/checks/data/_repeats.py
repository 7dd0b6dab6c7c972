"""Rows that repeat others: groups of equal ones, and whether repeating is in the nature of the data.

A table of few columns with few values repeats rows without anybody having copied any. Where more than 1 % of the rows of the
median supplier repeat another, single repeats say nothing, and only a supplier that repeats far more than all others does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import CheckReport
from countermark.checks.data._null import holm, robust_z, tail_p
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Where

NATURAL = 0.01
BOUND = 0.01
LEAST_MORE = 0.05  # share of a supplier's rows beyond the median supplier's
Group = NDArray[np.intp]


def equal_pairs(digests: Sequence[bytes]) -> list[tuple[int, int]]:
    """(first row, later row) of equal digests."""
    first: dict[bytes, int] = {}
    return [(first[d], i) for i, d in enumerate(digests) if first.setdefault(d, i) != i]


def joined(n: int, pairs: list[tuple[int, int]]) -> list[Group]:
    """Rows joined by pairs: ascending groups of two or more."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return []
    one, other = np.array(pairs, np.intp).T
    _, group = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((rows for rows in members if len(rows) > 1), key=lambda rows: int(rows[0]))


def shares(view: View, groups: Sequence[Group]) -> NDArray[np.float64]:
    """(suppliers,) share of each supplier's rows that repeat another row, whoever's."""
    repeating = np.zeros(len(view.label))
    for rows in groups:
        repeating[rows] = 1
    size = np.bincount(view.supplier, minlength=len(view.suppliers))
    return np.asarray(np.bincount(view.supplier, repeating, len(view.suppliers)) / np.maximum(size, 1))


def natural(view: View, groups: Sequence[Group]) -> float:
    """Share of the median supplier's rows that repeat another, once the supplier that repeats most is left out.

    Above `NATURAL`, rows repeat by nature. Who copies a few rows of everybody cannot make it look so.
    """
    most = int(shares(view, groups).argmax())
    rest = [kept for rows in groups if len(kept := rows[view.supplier[rows] != most]) > 1]
    able = np.flatnonzero(np.bincount(view.supplier, minlength=len(view.suppliers)) >= LEAST_ROWS)
    able = able[able != most]
    return float(np.median(shares(view, rest)[able])) if len(able) else 0.0


def standing_out(view: View, share: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Suppliers that repeat far more than the others, with adjusted p-values: Holm at 1 %, at least 5 % of their rows more."""
    able = np.flatnonzero(np.bincount(view.supplier, minlength=len(view.suppliers)) >= LEAST_ROWS)
    adjusted = holm(tail_p(robust_z(share[able], 0.01)), view.forms)
    more = share[able] - np.median(share[able]) >= LEAST_MORE if len(able) else np.zeros(0, bool)
    return [(int(s), float(p)) for s, p, far in zip(able, adjusted, more, strict=True) if far and p < BOUND]


def by_nature(view: View, groups: Sequence[Group], usual: float, check: str) -> CheckReport:
    """Where rows repeat by nature: suppliers that repeat far more than all others, and no row set aside or looked at by itself."""
    share, many = shares(view, groups), view.content.words.many
    findings = tuple(_stands_out(view, s, float(share[s]), usual, p, check) for s, p in standing_out(view, share))
    measures = (
        Measure("rows that repeat another, median supplier", usual), Measure("largest share of a supplier", float(share.max())),
        Measure("bound on adjusted p", BOUND),
    )  # fmt: skip
    left_out = (f"single repeated {many}: {usual:.1%} of the median supplier's repeat by nature",)
    outcome = Found(findings, measures, left_out) if findings else Passed(measures, left_out)
    return CheckReport(outcome, looked=np.zeros(len(view.label), bool))


def _stands_out(view: View, s: int, share: float, usual: float, p: float, check: str) -> Finding:
    words, name = view.content.words, view.suppliers[s]
    return Finding(
        check, "repeats-more", "medium", min(0.999, 1 - p),
        f"{share:.0%} of {name}'s {words.many} repeat another; {usual:.0%} of the median supplier's",
        Where(supplier=name), f"{words.equal}; adjusted p = {p:.2g} against the spread over suppliers",
        "ask the supplier how its rows came to be; keep one of each where they are copies",
        "which of them are copies: rows of this data repeat by nature",
    )  # fmt: skip
