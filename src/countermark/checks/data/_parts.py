"""A supplier's deliveries as parts that are compared with others, and rank tests of one against the supplier's earlier ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._effects import middle
from countermark.checks.data._view import LEAST_ROWS, View

ID_DIGITS = 12
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Part:
    """What is compared: rows of one supplier's delivery, or of the supplier; `name` as it is told."""

    supplier: int
    name: str
    rows: Rows
    earlier: Rows


def parts_of(view: View) -> list[Part]:
    """Deliveries, in the order in which each supplier sent them; suppliers where deliveries are not known."""
    out = []
    for s, name in enumerate(view.suppliers):
        mine = np.flatnonzero(view.supplier == s)
        of = np.zeros(len(mine), np.intp) if view.delivery is None else view.delivery[mine]
        for d in np.unique(of):
            which = name if (of == of[0]).all() else f"{name}'s delivery {view.deliveries[d][:ID_DIGITS]}"
            out.append(Part(s, which, mine[of == d], mine[of < d]))
    return out


def ranked(view: View, values: Floats, part: Part) -> Floats:
    """(properties,) two-sided p-values of rank-sum tests on values less their class's earlier median."""
    from scipy.stats import mannwhitneyu

    both = np.concatenate([part.rows, part.earlier])
    centred, newer = np.full((len(both), values.shape[1]), np.nan), np.arange(len(both)) < len(part.rows)
    for c in np.unique(view.label[part.earlier]):
        inside = view.label[both] == c
        centred[inside] = values[both[inside]] - middle(values[both[inside & ~newer]])
    out = np.ones(values.shape[1])
    for j, column in enumerate(centred.T):
        new, old = (column[side & np.isfinite(column)] for side in (newer, ~newer))
        if min(len(new), len(old)) >= LEAST_ROWS and np.ptp(np.concatenate([new, old])) > 0:
            out[j] = mannwhitneyu(new, old).pvalue
    return out
