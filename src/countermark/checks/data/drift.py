"""data/drift: a delivery whose pictures differ in how they were taken or coded, with the cause. Not poison.

Eight properties of every picture are compared inside its class, then averaged over the delivery (over the supplier, where deliveries
are not known), against the same number of all others: a difference from other suppliers by more than the honest spread is told with its
cause, in units that people know. A delivery is also compared with the same supplier's earlier ones. Nothing is set aside and nobody is
accused: what a person does is ask whether the rig changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import holm, robust_z, tail_p
from countermark.checks.data._taking import TRAITS, codecs_of, other_codec, traits_of
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/drift"
LEAST_COMPARED = 5
BOUND, OWN_BOUND = 0.01, 0.001
LEAST_EFFECT = 1.0  # in spreads of single pictures: less changes no model
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


def run(view: View) -> CheckReport:
    """Deliveries that were photographed or coded differently, and how."""
    parts = [part for part in parts_of(view) if len(part.rows) >= LEAST_ROWS]
    what = "suppliers" if view.delivery is None else "deliveries"
    if len(parts) < LEAST_COMPARED:
        return CheckReport(Skipped(f"{len(parts)} {what} of at least {LEAST_ROWS} rows are too few to compare"))
    values = traits_of(view)
    told, largest = _from_others(view, values, parts)
    own = _from_own(view, values, parts)
    findings, exhibits = [], dict[str, bytes]()
    for rule, part, causes, p in (*told, *own):
        digest, png = strip(view.images[part.rows])
        exhibits[digest] = png
        findings.append(_finding(view, rule, part, causes, p, digest))
    measures = (
        Measure(f"{what} compared", len(parts)), Measure(f"{what} that drift", len(told)),
        Measure("deliveries unlike the supplier's earlier ones", len(own)),
        Measure("largest effect", largest, "spreads of single pictures"), Measure("bound on adjusted p", BOUND),
    )  # fmt: skip
    return CheckReport(Found(tuple(findings), measures) if findings else Passed(measures), exhibits=exhibits)


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


Told = tuple[str, Part, list[str], float]


def _from_others(view: View, values: Floats, parts: Sequence[Part]) -> tuple[list[Told], float]:
    """Parts that differ from other suppliers' rows of the same classes, with causes; and the largest effect in spreads."""
    spread = spreads(view, values)
    difference = np.array([_difference(view, values, p.rows, view.supplier != p.supplier) for p in parts])
    effect = difference / spread
    p = np.stack([tail_p(np.abs(robust_z(column))) for column in effect.T], axis=1)
    adjusted = holm(p.ravel()).reshape(p.shape)
    found = (adjusted < BOUND) & (np.abs(effect) >= LEAST_EFFECT)
    codecs = codecs_of(view)
    out: list[Told] = []
    for i, part in enumerate(parts):
        order = sorted(np.flatnonzero(found[i]), key=lambda j: -abs(effect[i, j]))
        causes = [TRAITS[j].words(difference[i, j]) for j in order]
        coded = _coded(codecs, part.rows, np.flatnonzero(view.supplier != part.supplier))
        if causes or coded:
            out.append(("photographs-differ", part, [*causes, *coded], adjusted[i, order[0]] if order else BOUND))
    return out, float(np.abs(effect).max())


def _from_own(view: View, values: Floats, parts: Sequence[Part]) -> list[Told]:
    """Deliveries that differ from the same supplier's earlier ones, by rank tests inside classes."""
    able = [part for part in parts if len(part.earlier) >= LEAST_ROWS]
    if not able:
        return []
    spread = spreads(view, values)
    kept = np.zeros((len(able), len(view.label)), bool)
    for i, part in enumerate(able):
        kept[i, part.earlier] = True
    difference = np.array([_difference(view, values, p.rows, k, least=1) for p, k in zip(able, kept, strict=True)])
    p = np.array([_ranked(view, values, part) for part in able])
    adjusted = holm(p.ravel()).reshape(p.shape)
    found = (adjusted < OWN_BOUND) & (np.abs(difference / spread) >= LEAST_EFFECT)
    codecs = codecs_of(view)
    out: list[Told] = []
    for i, part in enumerate(able):
        order = sorted(np.flatnonzero(found[i]), key=lambda j: -abs(difference[i, j] / spread[j]))
        causes = [TRAITS[j].words(difference[i, j]) for j in order]
        coded = _coded(codecs, part.rows, part.earlier)
        if causes or coded:
            out.append(("unlike-earlier", part, [*causes, *coded], adjusted[i, order[0]] if order else OWN_BOUND))
    return out


def _coded(codecs: list[str] | None, mine: Rows, others: Rows) -> list[str]:
    if codecs is None:
        return []
    return [words for words in [other_codec([codecs[r] for r in mine], [codecs[r] for r in others])] if words]


def spreads(view: View, values: Floats) -> Floats:
    """(properties,) robust spread of single pictures inside their class, at least each property's floor."""
    middle = np.stack([_middle(values[view.label == c]) for c in range(len(view.classes))])
    spread = 1.4826 * _middle(np.abs(values - middle[view.label]))
    return np.maximum(np.nan_to_num(spread), [trait.floor for trait in TRAITS])


def _difference(
    view: View, values: Floats, rows: Rows, with_whom: NDArray[np.bool_], least: int = LEAST_ROWS
) -> Floats:
    """(properties,) mean difference of rows to the median of others of the same class; 0 where nothing can be compared."""
    out, weight = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for c in np.unique(view.label[rows]):
        others = values[(view.label == c) & with_whom]
        if len(others) >= least:
            apart = values[rows[view.label[rows] == c]] - _middle(others)
            out += np.nansum(apart, axis=0)
            weight += np.isfinite(apart).sum(axis=0)
    return np.asarray(out / np.maximum(weight, 1))


def _ranked(view: View, values: Floats, part: Part) -> Floats:
    """(properties,) two-sided p-values of rank-sum tests on values less their class's earlier median."""
    from scipy.stats import mannwhitneyu

    both = np.concatenate([part.rows, part.earlier])
    centred, newer = np.full((len(both), values.shape[1]), np.nan), np.arange(len(both)) < len(part.rows)
    for c in np.unique(view.label[part.earlier]):
        inside = view.label[both] == c
        centred[inside] = values[both[inside]] - _middle(values[both[inside & ~newer]])
    out = np.ones(values.shape[1])
    for j, column in enumerate(centred.T):
        new, old = (column[side & np.isfinite(column)] for side in (newer, ~newer))
        if min(len(new), len(old)) >= LEAST_ROWS and np.ptp(np.concatenate([new, old])) > 0:
            out[j] = mannwhitneyu(new, old).pvalue
    return out


def _middle(values: Floats) -> Floats:
    """Medians of columns, of what is a number; NaN where nothing is."""
    with np.errstate(all="ignore"):
        ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    low, high, column = np.maximum(count - 1, 0) // 2, count // 2, np.arange(values.shape[1])
    high = np.minimum(high, len(values) - 1)
    return np.where(count > 0, (ordered[low, column] + ordered[high, column]) / 2, np.nan)


def _finding(view: View, rule: str, part: Part, causes: list[str], p: float, exhibit: str) -> Finding:
    own = rule == "unlike-earlier"
    whom = "the supplier's earlier rows" if own else "other suppliers' rows"
    return Finding(
        ID, rule, "low", float(min(0.999, 1 - p)),
        f"{part.name} {'is unlike the earlier ones' if own else 'photographs differently'}: {', '.join(causes)}",
        Where(supplier=view.suppliers[part.supplier]), f"against {whom} of the same classes; adjusted p = {p:.2g}",
        "ask whether camera, light or file export changed; train with such pictures or ask for the prescribed rig",
        "drift is no sign of poison; a model may do worse on this supplier's parts all the same", (exhibit,),
    )  # fmt: skip


CHECK = Check(
    ID,
    2,
    run,
    "Holm-adjusted p below 1 % and a difference that a person would see; sets nothing aside",
    "a delivery that does not drift in at most 1 % of screenings, where the empirical null holds",
)
