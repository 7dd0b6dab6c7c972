"""From a finished screening to what it says of one row; nothing is screened again, one or two heads may be fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import NO_INTENT, CheckReport
from countermark.checks.data._view import LEAST_ROWS, View
from countermark.checks.data.explanation import CheckSaid, Explanation, HeadSaid, Neighbour, Standing
from countermark.errors import Unusable
from countermark.finding import Failed, Found, Skipped

if TYPE_CHECKING:
    from countermark.checks.data.screening import Screening

Floats = NDArray[np.float64]
ABOUT_SUPPLIERS = ("data/contract", "data/drift")
UNTAUGHT = ("data/recurring-patch", "data/label-errors")
NEAREST, LIKELY, SHOWN = 10, 3, 5
MOST_FITTED = 5000
COLDEST, HOTTEST = 0.005, 5.0


def place_of(view: View, row: int | str) -> int:
    """The position of a row given by position, by id, or by the unique beginning of an id.

    Raises:
        Unusable: there is none, or several begin like this.
    """
    if isinstance(row, int):
        if not 0 <= row < len(view.ids):
            raise Unusable(f"there is no row {row}", mend=f"0 to {len(view.ids) - 1}, or a row id")
        return row
    if row in view.ids:
        return view.ids.index(row)
    alike = [i for i, name in enumerate(view.ids) if row and name.startswith(row)]
    if len(alike) != 1:
        some = ", ".join(view.ids[i] for i in alike[:SHOWN])
        why = (
            f"{len(alike)} rows begin like this: {some}" if alike else f"none of {len(view.ids)} rows begins like this"
        )
        raise Unusable(f"{row!r:.200} names no row", why=why, mend="a row id as findings show it, or its beginning")
    return alike[0]


def explain(result: Screening, row: int | str) -> Explanation:
    """See `Screening.explain`."""
    view = result.seen
    at = place_of(view, row)
    supplier, label = view.suppliers[view.supplier[at]], view.classes[view.label[at]]
    said = tuple(_said(name, report, at, view.ids[at]) for name, report in result.checks.items())
    mine = next(s for s in result.suppliers if s.id == supplier)
    cells = [
        Standing(c.supplier, c.label, c.q, c.named) for c in result.cells if (c.supplier, c.label) == (supplier, label)
    ]
    honest = ~result.row_flagged
    return Explanation(
        view.ids[at], at, Standing(supplier, "", mine.q, mine.named, mine.why), cells[0] if cells else None, label,
        bool(result.row_flagged[at]), float(result.row_p[at]), 1 + int((result.row_p < result.row_p[at]).sum()), len(view.ids),
        said, _heads(view, result.checks, at, honest),
        result.features.words(),
        _nearest(view, at, result.row_flagged), _typical(view, at, honest),
        tuple(f"{s.check}: {s.reason}" for s in said if not s.looked and s.check not in ABOUT_SUPPLIERS),
        _cannot_tell(view, result, at),
    )  # fmt: skip


def _said(name: str, report: CheckReport, at: int, row: str) -> CheckSaid:
    outcome = report.outcome
    if isinstance(outcome, Skipped | Failed):
        return CheckSaid(name, False, outcome.reason if isinstance(outcome, Skipped) else outcome.error)
    if name in ABOUT_SUPPLIERS:
        return CheckSaid(name, False, "it looks at suppliers, not at single rows")
    if report.looked is not None and not report.looked[at]:
        return CheckSaid(name, False, "; ".join(outcome.left_out) or f"its class has fewer than {LEAST_ROWS} rows")
    found = tuple(f.what for f in outcome.findings if row in f.where.rows) if isinstance(outcome, Found) else ()
    score, p = (None if v is None else float(v[at]) for v in (report.rows, report.row_p))
    rank, of, tied = _rank(report, at)
    return CheckSaid(name, True, "", score, p, rank, of, tied, at in report.suspects, found, report.operating, report.alarms,
                     report.precision)  # fmt: skip


def _rank(report: CheckReport, at: int) -> tuple[int | None, int | None, int]:
    """Place among the rows looked at, how many these are, and how many others have the same score."""
    if report.rows is None:
        return None, None, 0
    among = report.rows if report.looked is None else report.rows[report.looked]
    own = report.rows[at]
    return 1 + int((among > own).sum()), len(among), int((among == own).sum()) - 1


def _heads(view: View, checks: dict[str, CheckReport], at: int, honest: NDArray[np.bool_]) -> tuple[HeadSaid, ...]:
    # The rows that the checks' own heads were not taught either, so that the heads are fitted already.
    untaught = np.array(sorted({r for c in UNTAUGHT if c in checks for r in checks[c].suspects}), np.intp)
    return (
        _head("other rows (out of fold)", view, view.single.by_fold(untaught), at, honest),
        _head("all other suppliers", view, view.heads.by_supplier(untaught), at, honest),
    )


def _head(taught_by: str, view: View, scores: Floats, at: int, honest: NDArray[np.bool_]) -> HeadSaid:
    rows = np.flatnonzero(honest) if honest.any() else np.arange(len(scores))
    right = float((scores[rows].argmax(axis=1) == view.label[rows]).mean())
    p = _softmax(scores[at : at + 1] / _temperature(scores[rows], view.label[rows]))[0]
    likely = tuple((view.classes[c], float(p[c])) for c in np.argsort(-p, kind="stable")[:LIKELY])
    return HeadSaid(taught_by, right, likely, float(p[view.label[at]]))


def _temperature(scores: Floats, label: NDArray[np.intp]) -> float:
    """The one number that makes probabilities of scores fit the labels best (Guo et al., "On calibration", ICML 2017)."""
    from scipy.optimize import minimize_scalar

    some = np.arange(0, len(scores), max(1, len(scores) // MOST_FITTED))
    x, y = scores[some], label[some]

    def loss(log: float) -> float:
        return -float(np.log(np.maximum(_softmax(x / np.exp(log))[np.arange(len(y)), y], 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded").x))


def _softmax(scores: Floats) -> Floats:
    high = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(high / high.sum(axis=1, keepdims=True))


def _nearest(view: View, at: int, flagged: NDArray[np.bool_]) -> tuple[Neighbour, ...]:
    away = np.sqrt(((view.heads.features - view.heads.features[at]) ** 2).sum(axis=1, dtype=np.float64))
    others = np.delete(np.arange(len(away)), at)
    usual = max(float(np.median(away[others])), 1e-12)
    first = others[np.argsort(away[others], kind="stable")[:NEAREST]]
    return tuple(
        Neighbour(view.ids[i], view.suppliers[view.supplier[i]], view.classes[view.label[i]], float(away[i] / usual), bool(flagged[i]))
        for i in map(int, first)
    )  # fmt: skip


def _typical(view: View, at: int, honest: NDArray[np.bool_]) -> int | None:
    rows = np.flatnonzero(honest & (view.label == view.label[at]) & (np.arange(len(honest)) != at))
    if not len(rows):
        return None
    features = view.heads.features[rows]
    return int(rows[((features - features.mean(axis=0)) ** 2).sum(axis=1).argmin()])


def _cannot_tell(view: View, result: Screening, at: int) -> tuple[str, ...]:
    label, lines = view.classes[view.label[at]], []
    if view.abstained[view.label[at]]:
        lines.append(f"{label} has fewer than {LEAST_ROWS} rows: too few to judge")
    if view.makers[view.label[at]] < 2:
        lines.append(f"only one supplier makes {label}: nobody else's {view.content.words.many} can contradict it")
    if result.row_p[at] < 1 / len(view.ids):
        lines.append(f"a p-value below 1 in {len(view.ids):,} is extrapolated: it says an order, not a rate")
    lines.append(
        "a row that no check would set aside is not proven clean: every check has attacks that pass it, told on its page"
    )
    lines.append(f"a disagreement {NO_INTENT.partition('; ')[2]}")
    told = {f.cannot_tell for f in result.findings if view.ids[at] in f.where.rows and f.cannot_tell}
    return (*lines, *sorted(told))
