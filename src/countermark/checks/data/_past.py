"""A supplier's newest delivery beside its own earlier ones: what it is made of, how large, how coded, by which camera, when.

Nothing here compares suppliers, and nothing is a sign of poison: a change is told so that a person asks why. What a file says of
camera and time is compared, and never repeated, since findings are signed and shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import NO_INTENT
from countermark.checks.data._null import holm
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.finding import Finding, Measure, Severity, Where

BOUND = 0.001
LEAST_MOVED = 0.2  # of the rows: a smaller change of the mix is told by nobody
LEAST_SHARE = 0.05
LARGER = 1.25
MANY_TIMES = 3.0
MOST_NAMED = 8
Rows = NDArray[np.intp]
Codings = Sequence[dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Past:
    """A supplier, the rows of its newest delivery and those of its earlier ones, delivery by delivery."""

    supplier: int
    newest: Rows
    earlier: tuple[Rows, ...]

    @property
    def before(self) -> Rows:
        """Rows of all earlier deliveries."""
        return np.concatenate(self.earlier)


def pasts(view: View) -> list[Past]:
    """Suppliers that delivered more than once."""
    if view.delivery is None:
        return []
    out = []
    for s in range(len(view.suppliers)):
        mine = np.flatnonzero(view.supplier == s)
        each = [mine[view.delivery[mine] == d] for d in np.unique(view.delivery[mine])]
        if len(each) > 1:
            out.append(Past(s, each[-1], tuple(each[:-1])))
    return out


def compare_past(view: View, check: str, codings: Codings | None) -> tuple[list[Finding], tuple[Measure, ...], str]:
    """Findings, measures, and what was not compared (empty where all was).

    Args:
        check: id of the check that tells it. codings: per row the members of `formats.coding.Coding`, or None.
    """
    known = pasts(view)
    findings = _mixes(view, check, known)
    for past in known:
        findings += [_finding(view, check, past, *told) for told in _classes(view, past)]
        if codings is not None:
            findings += [_finding(view, check, past, *told) for look in LOOKS for told in look(past, codings)]
    alone = len(view.suppliers) - len(known)
    measures = (
        Measure("suppliers compared with their past", len(known)),
        Measure("differences from the past", len(findings)),
    )
    return findings, measures, f"no past: {alone} of {len(view.suppliers)} suppliers delivered once" if alone else ""


Told = tuple[str, Severity, str, Rows]


def _classes(view: View, past: Past) -> list[Told]:
    """Classes never delivered before, and many more rows than ever."""
    out: list[Told] = []
    new = sorted(set(view.label[past.newest].tolist()) - set(view.label[past.before].tolist()))
    if new:
        named = ", ".join(view.classes[c] for c in new[:MOST_NAMED])
        rows = past.newest[np.isin(view.label[past.newest], new)]
        out.append(("new-classes", "low", f"{len(new)} classes that it never delivered before: {named}", rows))
    most = max(len(rows) for rows in past.earlier)
    if len(past.newest) > MANY_TIMES * most and len(past.newest) >= LEAST_ROWS:
        what = f"{len(past.newest)} rows, where no earlier delivery had more than {most}"
        out.append(("larger-delivery", "low", what, past.newest[:0]))
    return out


def _mixes(view: View, check: str, known: list[Past]) -> list[Finding]:
    """Deliveries whose shares of classes moved, where those of the earlier ones did not move among themselves."""
    able = [p for p in known if min(len(p.newest), len(p.before)) >= LEAST_ROWS]
    adjusted = holm(np.array([_mix_p(view, [p.before, p.newest]) for p in able]), view.forms)
    out = []
    for past, p in zip(able, adjusted, strict=True):
        restless = len(past.earlier) > 1 and _mix_p(view, past.earlier) < BOUND
        before, now = (_shares(view, rows) for rows in (past.before, past.newest))
        moved = float(np.abs(now - before).sum() / 2)
        if p < BOUND and moved >= LEAST_MOVED and not restless:
            c = int(np.abs(now - before).argmax())
            what = f"another mix of classes, {moved:.0%} of the rows moved: {view.classes[c]} now {now[c]:.0%}, before {before[c]:.0%}"
            out.append(_finding(view, check, past, "other-mix", "low", what, past.newest[:0], float(1 - p)))
    return out


def _shares(view: View, rows: Rows) -> NDArray[np.float64]:
    return np.bincount(view.label[rows], minlength=len(view.classes)) / max(len(rows), 1)


def _mix_p(view: View, groups: Sequence[Rows]) -> float:
    """p-value of a chi-square test that groups of rows have one mix of classes."""
    from scipy.stats import chi2_contingency

    table = np.array([np.bincount(view.label[rows], minlength=len(view.classes)) for rows in groups])
    table = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def _of(codings: Codings, rows: Rows) -> list[tuple[int, dict[str, Any]]]:
    return [(int(row), one) for row in rows if (one := codings[row]) is not None]


def _unseen(
    rule: str, severity: Severity, key: Callable[[dict[str, Any]], str], words: str
) -> Callable[[Past, Codings], list[Told]]:
    """A look for values that no earlier delivery had; files without one count for nothing."""

    def look(past: Past, codings: Codings) -> list[Told]:
        before = Counter(key(one) for _, one in _of(codings, past.before) if key(one))
        now = [(row, key(one)) for row, one in _of(codings, past.newest) if key(one)]
        odd = [(row, value) for row, value in now if value not in before]
        if not before or not odd:
            return []
        values = Counter(value for _, value in odd)
        told = ", ".join(f"{value} ({n})" for value, n in values.most_common(MOST_NAMED))
        usual = ", ".join(value for value, _ in before.most_common(MOST_NAMED))
        what = words.format(n=len(odd), total=len(past.newest), told=told, usual=usual)
        return [(rule, severity, what, np.array([row for row, _ in odd], np.intp))]

    return look


def _sizes(past: Past, codings: Codings) -> list[Told]:
    before, now = (_of(codings, rows) for rows in (past.before, past.newest))
    if not before or not now:
        return []
    area = np.array([one["width"] * one["height"] for _, one in before])
    low, high = float(area.min()) / LARGER**2, float(area.max()) * LARGER**2
    odd = [(row, one) for row, one in now if not low <= one["width"] * one["height"] <= high]
    if len(odd) < LEAST_SHARE * len(now):
        return []
    told = Counter(f"{one['width']} x {one['height']}" for _, one in odd).most_common(1)[0][0]
    usual = Counter(f"{one['width']} x {one['height']}" for _, one in before).most_common(1)[0][0]
    what = f"{len(odd)} of {len(now)} pictures smaller or larger than any before: mostly {told}, before mostly {usual}"
    return [("other-sizes", "low", what, np.array([row for row, _ in odd], np.intp))]


def _cameras(past: Past, codings: Codings) -> list[Told]:
    before, now = (_of(codings, rows) for rows in (past.before, past.newest))
    known = {one["camera"] for _, one in before} - {""}
    odd = [row for row, one in now if one["camera"] and one["camera"] not in known]
    silent = [row for row, one in now if not one["camera"]]
    out: list[Told] = []
    if known and odd:
        what = f"{len(odd)} of {len(now)} pictures name a camera that no earlier delivery named"
        out.append(("other-camera", "low", what, np.array(odd, np.intp)))
    if known and len(silent) == len(now) and all(one["camera"] for _, one in before):
        what = "no picture names a camera, where every earlier one did"
        out.append(("camera-gone", "low", what, past.newest[:0]))
    return out


def _times(past: Past, codings: Codings) -> list[Told]:
    before = [one["taken"] for _, one in _of(codings, past.before) if one["taken"]]
    now = [(row, one["taken"]) for row, one in _of(codings, past.newest) if one["taken"]]
    odd = [row for row, taken in now if before and taken < max(before)]
    if len(odd) < max(1.0, LEAST_SHARE * len(now)):
        return []
    what = f"{len(odd)} of {len(now)} pictures say they were taken before the last one that was delivered earlier"
    return [("taken-earlier", "low", what, np.array(odd, np.intp))]


_FORMATS = _unseen(
    "other-format", "low", lambda one: str(one["format"]),
    "{n} of {total} pictures in a format that no earlier delivery had: {told}; before: {usual}",
)  # fmt: skip
_MODES = _unseen(
    "other-colours", "medium", lambda one: f"{one['channels']} channels of {one['bits']} bits",
    "{n} of {total} pictures with other colours or depth than any before: {told}; before: {usual}",
)  # fmt: skip
LOOKS: tuple[Callable[[Past, Codings], list[Told]], ...] = (_FORMATS, _MODES, _sizes, _cameras, _times)


def _finding(
    view: View, check: str, past: Past, rule: str, severity: Severity, what: str, rows: Rows, confidence: float = 1.0
) -> Finding:  # fmt: skip
    name = view.suppliers[past.supplier]
    return Finding(
        check, rule, severity, min(0.999, confidence) if confidence < 1 else 1.0, f"{name}'s newest delivery has {what}",
        Where(rows=view.names(rows), supplier=name),
        f"{len(past.newest)} rows against {len(past.before)} of its {len(past.earlier)} earlier deliveries",
        "ask the supplier what changed; train on them if the answer satisfies",
        f"{NO_INTENT}; honest suppliers change cameras, parts and exports too",
    )  # fmt: skip
