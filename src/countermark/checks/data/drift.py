"""data/drift: a delivery whose rows differ in how they were taken or coded, with the cause. Not poison.

Eight properties of every picture (of a clip seven, of a table each column's) are compared inside its class, then averaged over the delivery
(over the supplier, where deliveries are not known), against the same number of all others: a difference from other suppliers by more than
the honest spread is told with its cause, in units that people know. A delivery is also compared with the same supplier's earlier ones.
Nothing is set aside and nobody is accused: what a person does is ask whether the rig changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._content import Traits
from countermark.checks.data._effects import Effects, effects_of
from countermark.checks.data._null import MANY, holm, robust_z, tail_p
from countermark.checks.data._parts import Part, parts_of, ranked
from countermark.checks.data._taking import codecs_of, other_codec, traits_of
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/drift"
LEAST_COMPARED = 5
BOUND, OWN_BOUND = 0.01, 0.001
LEAST_EFFECT = 1.0  # in spreads of single rows: less changes no model
MOST_CAUSES = 9
LEAST_APART, LEAST_APART_SHARE = 0.1, 0.25  # spreads of single rows; suppliers that agree better differ by chance
MODERATED = 0.7
POOLED = 8.0  # degrees of freedom at most, where the tail is seen in all properties together
Floats = NDArray[np.float64]


class Told(NamedTuple):
    """A part that differs from others (or, `own`, from the supplier's earlier rows), why, and the adjusted p-value."""

    own: bool
    part: Part
    causes: list[str]
    p: float


def run(view: View) -> CheckReport:
    """Deliveries that came about differently, and how."""
    parts = [part for part in parts_of(view) if len(part.rows) >= LEAST_ROWS]
    what = "suppliers" if view.delivery is None else "deliveries"
    if len(parts) < LEAST_COMPARED:
        return CheckReport(Skipped(f"{len(parts)} {what} of at least {LEAST_ROWS} rows are too few to compare"))
    traits, codecs = traits_of(view), codecs_of(view)
    told, largest = _from_others(view, traits, codecs, parts)
    own = _from_own(view, traits, codecs, parts)
    findings, exhibits = [], dict[str, bytes]()
    for one in (*told, *own):
        exhibits |= (seen := view.shown(one.part.rows))
        findings.append(_finding(view, one, tuple(seen)))
    measures = (
        Measure(f"{what} compared", len(parts)), Measure(f"{what} that drift", len(told)),
        Measure("deliveries unlike the supplier's earlier ones", len(own)),
        Measure("largest effect", largest, f"spreads of single {view.content.words.many}"), Measure("bound on adjusted p", BOUND),
    )  # fmt: skip
    return CheckReport(Found(tuple(findings), measures) if findings else Passed(measures), exhibits=exhibits)


def _from_others(
    view: View, traits: Traits, codecs: list[str] | None, parts: Sequence[Part]
) -> tuple[list[Told], float]:
    """Parts that differ from other suppliers' rows of the same classes, with causes; and the largest effect in spreads."""
    effects = effects_of(view, traits, ((p.rows, view.supplier != p.supplier) for p in parts))
    p = _p(effects.spreads, traits)
    adjusted = holm(p.ravel(), view.forms).reshape(p.shape)
    out = []
    for i, part in enumerate(parts):
        order = _told(effects, i, adjusted[i] < BOUND)
        causes = [traits.each[j].words(*effects.at(i, j)) for j in order]
        causes += _coded(codecs, part.rows, np.flatnonzero(view.supplier != part.supplier))
        if causes:
            out.append(Told(False, part, causes, float(adjusted[i, order[0]]) if order else BOUND))
    return out, float(np.abs(effects.spreads).max())


def _from_own(view: View, traits: Traits, codecs: list[str] | None, parts: Sequence[Part]) -> list[Told]:
    """Deliveries that differ from the same supplier's earlier ones, by rank tests inside classes."""
    able = [part for part in parts if len(part.earlier) >= LEAST_ROWS]
    if not able:
        return []
    every = np.arange(len(view.label))
    effects = effects_of(view, traits, ((p.rows, np.isin(every, p.earlier)) for p in able), least=1)
    p = np.array([ranked(view, traits.values, part) for part in able])
    adjusted = holm(p.ravel(), view.forms).reshape(p.shape)
    out = []
    for i, part in enumerate(able):
        order = _told(effects, i, adjusted[i] < OWN_BOUND)
        causes = [traits.each[j].words(*effects.at(i, j)) for j in order]
        causes += _coded(codecs, part.rows, part.earlier)
        if causes:
            out.append(Told(True, part, causes, float(adjusted[i, order[0]]) if order else OWN_BOUND))
    return out


def _told(effects: Effects, part: int, sure: NDArray[np.bool_]) -> list[int]:
    """Properties that differ surely and by enough, the largest effect first."""
    size = np.abs(effects.spreads[part])
    return sorted(map(int, np.flatnonzero(sure & (size >= LEAST_EFFECT))), key=lambda j: -size[j])


def _coded(codecs: list[str] | None, mine: NDArray[np.intp], others: NDArray[np.intp]) -> list[str]:
    if codecs is None:
        return []
    return [words for words in [other_codec([codecs[r] for r in mine], [codecs[r] for r in others])] if words]


def _p(effect: Floats, traits: Traits) -> Floats:
    """p-values of effects (parts, properties) against the spread over parts.

    Of a few suppliers neither the spread nor the tail can be seen well in one of many properties. Where there are 200 effects in
    all, no property is believed to spread much less than the median one (moderated spreads: Smyth, "Linear models and empirical
    Bayes methods", SAGMB 2004, for the idea), and the tail is seen in all of them together.
    """
    if not traits.pooled:
        return np.stack([tail_p(np.abs(robust_z(column))) for column in effect.T], axis=1)
    apart = np.where(traits.shares, LEAST_APART_SHARE, LEAST_APART)
    if effect.size < MANY:
        return np.stack([tail_p(np.abs(_z(*one))) for one in zip(effect.T, apart, strict=True)], axis=1)
    usual = float(np.median(1.4826 * np.median(np.abs(effect - np.median(effect, axis=0)), axis=0)))
    z = np.concatenate([_z(*one) for one in zip(effect.T, np.maximum(apart, MODERATED * usual), strict=True)])
    one_sided = np.minimum(*np.split(tail_p(np.concatenate([z, -z]), POOLED), 2))
    return np.asarray(np.minimum(1.0, 2 * one_sided).reshape(effect.shape[::-1]).T)


def _z(column: Floats, least: float) -> Floats:
    """Robust scores of one property; where more than half of the suppliers are equal, `least` is the scale."""
    centre = float(np.median(column))
    spread = 1.4826 * float(np.median(np.abs(column - centre)))
    return np.asarray((column - centre) / max(spread, least))


def _finding(view: View, told: Told, seen: tuple[str, ...]) -> Finding:
    words, causes = view.content.words, told.causes
    whom = "the supplier's earlier rows" if told.own else "other suppliers' rows"
    more = f"; and {len(causes) - MOST_CAUSES} more" if len(causes) > MOST_CAUSES else ""
    differ = "is unlike the earlier ones" if told.own else words.differ
    return Finding(
        ID, "unlike-earlier" if told.own else words.rule, "low", float(min(0.999, 1 - told.p)),
        f"{told.part.name} {differ}: {', '.join(causes[:MOST_CAUSES])}{more}", Where(supplier=view.suppliers[told.part.supplier]),
        f"against {whom} of the same classes; adjusted p = {told.p:.2g}", words.ask,
        "drift is no sign of poison; a model may do worse on this supplier's rows all the same", seen,
    )  # fmt: skip


CHECK = Check(
    ID,
    3,
    run,
    "Holm-adjusted p below 1 % and a difference that a person would see; sets nothing aside",
    "a delivery that does not drift in at most 1 % of screenings, where the empirical null holds",
)
