"""The report of a check that looks for what some rows of a class have in common: shared by spectral and frequency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import NO_INTENT, CheckReport
from countermark.checks.data._directions import LEAST_ROWS, Common, common
from countermark.checks.data._exhibit import strip
from countermark.checks.data._null import bulk_p
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where

LEVEL = 0.01
OPERATING = f"a class is told below p = {LEVEL} over the number of classes, in both halves of it"
ALARMS = f"in at most {LEVEL:.0%} of clean sets where honest tails are exponential or heavier; a class of two kinds of honest rows is told"
MOSTLY = 0.8
Floats = NDArray[np.float32]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at. check: id. what: of pictures, in words. floor: variance below which differences mean nothing.

    bank: (k, d) additions to try besides those that the rows show. least: gap, in spreads of honest rows, below which two kinds of
        honest rows may lie: cameras of several suppliers, say. accuses: whether who alone has rows apart is named.
    """

    check: str
    what: str
    floor: float
    bank: Floats
    least: float = 0.0
    accuses: bool = False


def report(view: View, x: Floats, asked: Asked) -> CheckReport:
    """Rows of classes in which some rows stand apart by one common addition.

    Args:
        x: (n, d) vectors of the rows.
    """
    if len(view.classes) < 2 or (np.bincount(view.label) >= LEAST_ROWS).sum() < 2:
        return CheckReport(Skipped(f"fewer than two classes of at least {LEAST_ROWS} rows"))
    seen = common(x, view.label, len(view.classes), view.seed, asked.floor, asked.bank)
    named = _standing(seen, asked.least)
    groups = [np.flatnonzero(seen.apart & (view.label == c)) for c in named]
    suspects = np.concatenate([*groups, np.zeros(0, np.intp)])
    findings, exhibits = [], dict[str, bytes]()
    for c, rows in zip(named, groups, strict=True):
        pictures = [strip(view.images[rows]), strip(difference(view, c, rows), 1)]
        exhibits |= dict(pictures)
        findings.append(_finding(view, asked, c, rows, seen, tuple(digest for digest, _ in pictures)))
    measures = (
        Measure("classes looked at", int((np.bincount(view.label, minlength=len(view.classes)) >= LEAST_ROWS).sum())),
        Measure("classes with rows apart", len(named)),
        Measure("least p of a class", float(np.exp(max(seen.log_p.min(), -690.0)))),
        Measure("p below which a class is told", LEVEL / len(seen.log_p)),
    )  # fmt: skip
    outcome = Found(tuple(findings), measures) if findings else Passed(measures)
    honest = np.setdiff1d(np.arange(len(x)), suspects)
    p = bulk_p(seen.score, seen.score[honest])
    enough = (np.bincount(view.label, minlength=len(view.classes)) >= LEAST_ROWS)[view.label]
    cells = _accused(view, seen, named, groups) if asked.accuses else {}
    return CheckReport(outcome, seen.score, p, None, cells, tuple(map(int, suspects)), exhibits, looked=enough)


def _standing(seen: Common, least: float) -> list[int]:
    """Classes with rows apart: Bonferroni over the classes of the set."""
    unlikely = seen.log_p + np.log(len(seen.log_p)) < np.log(LEVEL)
    return [int(c) for c in np.flatnonzero(unlikely & (seen.gap >= least))]


def _accused(view: View, seen: Common, named: list[int], groups: list[Rows]) -> dict[tuple[int, int], float]:
    """Adjusted p of the cell that most rows apart of each class come from.

    It is innocent where the rows are honest (Bonferroni over classes), or where others' rows would be apart as well: as many of one
    supplier by chance among rows of the class drawn at random (hypergeometric tail, Bonferroni over its suppliers). The larger of
    the two p-values holds for either, times the forms of rows that are screened.
    """
    from scipy.stats import hypergeom

    out = {}
    for c, rows in zip(named, groups, strict=True):
        of_class = np.bincount(view.supplier[view.label == c], minlength=len(view.suppliers))
        count = np.bincount(view.supplier[rows], minlength=len(view.suppliers))
        s = int(count.argmax())
        chance = hypergeom.sf(count[s] - 1, of_class.sum(), of_class[s], len(rows)) * (of_class > 0).sum()
        if count[s] >= MOSTLY * len(rows):
            out[s, c] = float(min(1.0, view.forms * max(len(seen.log_p) * np.exp(seen.log_p[c]), chance)))
    return out


def difference(view: View, c: int, rows: Rows) -> NDArray[np.uint8]:
    """Mean picture of the rows apart less that of the class's other rows, about middle grey: (1, h, w, 3)."""
    rest = np.setdiff1d(np.flatnonzero(view.label == c), rows)
    apart, others = (view.images[r].mean(axis=0) for r in (rows, rest if len(rest) else rows))
    return np.asarray(np.clip(128 + 2 * (apart - others), 0, 255), np.uint8)[None]


def _finding(view: View, asked: Asked, c: int, rows: Rows, seen: Common, exhibits: tuple[str, ...]) -> Finding:
    count = np.bincount(view.supplier[rows], minlength=len(view.suppliers))
    most = int(count.argmax())
    alone = count[most] >= MOSTLY * len(rows)
    who = f"{count[most]} of them by {view.suppliers[most]}" if alone else f"by {int((count > 0).sum())} suppliers"
    return Finding(
        asked.check, "rows-share-an-addition", "critical", float(1 - len(seen.log_p) * np.exp(seen.log_p[c])),
        f"{len(rows)} rows of {view.classes[c]} share one addition to their {asked.what}, {who}",
        Where(rows=view.names(rows), supplier=view.suppliers[most] if alone else "", label=view.classes[c]),
        f"an empty stretch {seen.gap[c]:.0f} spreads wide lies between them and all other rows of the class, found on one half "
        f"of the class and shown on the other (p {np.exp(max(seen.log_p[c], -690.0)):.0e} where tails fall like a power); the second picture shows the addition, twice as strong, about middle grey",
        "set the rows aside and look at them; a model trained on them may answer to the addition alone",
        f"{NO_INTENT}; a second, rare variant of the part or a mark of the photo rig on some rows looks the same", exhibits,
    )  # fmt: skip
