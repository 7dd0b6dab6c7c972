"""data/drift: a supplier whose rows differ from the others' in how they were taken, with the cause. Not poison.

Seven properties of every picture (of a clip, or every column of a table) are compared inside its class, then averaged over the supplier (or delivery, where
suppliers deliver more than once), against the same number of all others: a difference by more than the honest spread is
told with its cause. Nothing is set aside and nobody is accused: what a person does is ask whether the rig changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._content import Trait, Traits
from countermark.checks.data._effects import effects_of
from countermark.checks.data._null import MANY, holm, tail_p
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

ID = "data/drift"
LEAST_SUPPLIERS = 5
BOUND = 0.01
LEAST_EFFECT = 1.0  # in spreads of single pictures: less changes no model
BATCH = 500
MOST_CAUSES = 7
LEAST_APART, LEAST_APART_SHARE = 0.1, 0.25  # spreads of single rows; suppliers that agree better differ by chance
MODERATED = 0.7
POOLED = 8.0  # degrees of freedom at most, where the tail is seen in all properties together
Floats = NDArray[np.float64]
CAUSES = ("brightness", "contrast", "colour cast", "saturation", "blur", "noise", "size")


def run(view: View) -> CheckReport:
    """Suppliers whose rows came about differently, and how."""
    count = np.bincount(view.supplier, minlength=len(view.suppliers))
    able = np.flatnonzero(count >= LEAST_ROWS)
    if len(able) < LEAST_SUPPLIERS:
        return CheckReport(Skipped(f"{len(able)} suppliers of at least {LEAST_ROWS} rows are too few to compare"))
    traits = view.content.traits() or Traits(properties(view), tuple(map(_of_pictures, CAUSES)))
    effects = effects_of(view, traits, able)
    effect = effects.spreads
    p = _p(effect, np.array([LEAST_APART_SHARE if t.share else LEAST_APART for t in traits.each]))
    adjusted = holm(p.ravel()).reshape(p.shape)
    found = (adjusted < BOUND) & (np.abs(effect) >= LEAST_EFFECT)
    findings, exhibits = [], dict[str, bytes]()
    for at in map(int, np.flatnonzero(found.any(axis=1))):
        exhibits |= (seen := view.shown(np.flatnonzero(view.supplier == able[at])))
        told = sorted(np.flatnonzero(found[at]), key=lambda i: -abs(effect[at, i]))
        causes = [traits.each[i].words(*effects.at(at, i)) for i in map(int, told)]
        findings.append(_finding(view, view.suppliers[able[at]], causes, float(adjusted[at, told[0]]), tuple(seen)))
    measures = (
        Measure("suppliers compared", len(able)), Measure("suppliers that drift", len(findings)),
        Measure("largest effect", float(np.abs(effect).max()), f"spreads of single {view.content.words.many}"),
        Measure("bound on adjusted p", BOUND),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    return CheckReport(outcome, exhibits=exhibits)


def _p(effect: Floats, least: Floats) -> Floats:
    """p-values of effects (suppliers, properties) against the spread over suppliers.

    Of a few suppliers neither the spread nor the tail can be seen well in one property. Where there are 200 effects in all, no
    property is believed to spread much less than the median one (moderated spreads: Smyth, "Linear models and empirical Bayes
    methods", SAGMB 2004, for the idea), and the tail is seen in all of them together.
    """
    if effect.size < MANY:
        return np.stack(
            [tail_p(np.abs(_z(column, apart))) for column, apart in zip(effect.T, least, strict=True)], axis=1
        )
    usual = float(np.median(1.4826 * np.median(np.abs(effect - np.median(effect, axis=0)), axis=0)))
    apart = np.maximum(least, MODERATED * usual)
    z = np.concatenate([_z(column, one) for column, one in zip(effect.T, apart, strict=True)])
    one_sided = np.minimum(*np.split(tail_p(np.concatenate([z, -z]), POOLED), 2))
    return np.asarray(np.minimum(1.0, 2 * one_sided).reshape(effect.shape[::-1]).T)


def _z(column: Floats, least: float) -> Floats:
    """Robust scores of one property; where more than half of the suppliers are equal, `least` is the scale."""
    centre = float(np.median(column))
    spread = 1.4826 * float(np.median(np.abs(column - centre)))
    return np.asarray((column - centre) / max(spread, least))


def _of_pictures(cause: str) -> Trait:
    return Trait(
        False, lambda _, spreads, __: f"{'more' if spreads > 0 else 'less'} {cause} ({abs(spreads):.1f} spreads)"
    )


def properties(view: View) -> Floats:
    """(n, 7) in the order of `CAUSES`; size is the logarithm of the pixels delivered, zero where not known."""
    parts = [_measured(view.images[at : at + BATCH]) for at in range(0, len(view.images), BATCH)]
    size = np.zeros(len(view.label)) if view.sizes is None else np.log(np.maximum(view.sizes, 1).prod(axis=1))
    return np.column_stack([np.concatenate(parts), size])


def _measured(images: NDArray[np.uint8]) -> Floats:
    x = images.astype(np.float32)
    light = x.mean(axis=3)
    edge = (
        4 * light[:, 1:-1, 1:-1] - light[:, :-2, 1:-1] - light[:, 2:, 1:-1] - light[:, 1:-1, :-2] - light[:, 1:-1, 2:]
    )
    middle = np.median(np.abs(edge), axis=(1, 2))
    return np.column_stack([
        light.mean(axis=(1, 2)), light.std(axis=(1, 2)), (x[..., 0] - x[..., 2]).mean(axis=(1, 2)),
        (x.max(axis=3) - x.min(axis=3)).mean(axis=(1, 2)), -np.log1p(edge.std(axis=(1, 2))), np.log1p(middle),
    ])  # fmt: skip


def _finding(view: View, name: str, causes: list[str], p: float, seen: tuple[str, ...]) -> Finding:
    words = view.content.words
    more = f"; and {len(causes) - MOST_CAUSES} more" if len(causes) > MOST_CAUSES else ""
    return Finding(
        ID, words.rule, "low", 1 - p, f"{name} {words.differ}: {', '.join(causes[:MOST_CAUSES])}{more}",
        Where(supplier=name), f"against other suppliers' rows of the same classes; adjusted p = {p:.2g}", words.ask,
        "drift is no sign of poison; a model may do worse on this supplier's rows all the same", seen,
    )  # fmt: skip


CHECK = Check(ID, 2, run)
