"""data/contract: rows per supplier and class are what was agreed, and a newest delivery is like the supplier's earlier ones.

Free, and first; needs no pixel. What the past tells is in `_past`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._codings import CODING, codings
from countermark.checks.data._past import compare_past
from countermark.checks.data._view import Counts, View
from countermark.finding import Finding, Found, Measure, Outcome, Passed, Skipped, Where

ID = "data/contract"
MOST_NAMED = 20
NO_CONTRACT = "no contract was given that says how many rows were agreed (`--contract FILE`)"


def run(view: View) -> CheckReport:
    """Compare counts with the contract, and newest deliveries with the past; Skipped where there is neither."""
    told, measures, alone = compare_past(view, ID, view.told(CODING, codings))
    if view.contract is None:
        if told:
            return CheckReport(Found(tuple(told), measures, tuple(filter(None, (NO_CONTRACT, alone)))))
        reason = f"{NO_CONTRACT}; {alone}" if alone and view.delivery is not None else NO_CONTRACT
        return CheckReport(Skipped(reason, measures))
    now = counts([view.classes[c] for c in view.label], [view.suppliers[s] for s in view.supplier])
    delivered, kept = view.counts or (now, now)
    agreed = compare(view.contract, delivered, kept)
    findings = (*(agreed.findings if isinstance(agreed, Found) else ()), *told)
    left_out = (alone,) if alone else ()
    every = (*agreed.measures, *measures)
    return CheckReport(Found(findings, every, left_out) if findings else Passed(every, left_out))


def counts(labels: Sequence[str], suppliers: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows per supplier and class, from two names a row."""
    out: dict[str, dict[str, int]] = {}
    for label, supplier in zip(labels, suppliers, strict=True):
        mine = out.setdefault(supplier, {})
        mine[label] = mine.get(label, 0) + 1
    return out


def compare(agreed: Counts, delivered: Counts, kept: Counts | None = None) -> Outcome:
    """Outcome of agreed against seen counts, supplier -> class -> rows.

    A supplier answers for what it delivered, and only for what is still in the data: more rows than agreed in both, or
    rows of a class or supplier nobody agreed on, are findings. Fewer are only counted, and so is more than was agreed by
    decisions of the data owner's, who gave rows another class.

    Args:
        kept: rows that are in the data now, after decisions and quarantines; None where they are those delivered.
    """
    kept = delivered if kept is None else kept
    findings, over, under, decided = [], 0, 0, 0
    for supplier in sorted(agreed.keys() | delivered.keys() | kept.keys()):
        want, came, have = (c.get(supplier, {}) for c in (agreed, delivered, kept))
        above = {c for c in want.keys() | have.keys() if have.get(c, 0) > want.get(c, 0)}
        odd = sorted(c for c in above if came.get(c, 0) > want.get(c, 0))
        over += len(odd)
        decided += len(above) - len(odd)
        under += sum(have.get(c, 0) < n for c, n in want.items())
        if odd:
            findings.append(_finding(supplier, odd, want, came, have))
    measures = (
        Measure("cells", sum(len(c) for c in kept.values())), Measure("cells over contract", over),
        Measure("cells under contract", under), Measure("cells over contract by decisions alone", decided),
    )  # fmt: skip
    return Found(tuple(findings), measures) if findings else Passed(measures)


def _finding(
    supplier: str, odd: list[str], want: Mapping[str, int], came: Mapping[str, int], have: Mapping[str, int]
) -> Finding:
    told = "; ".join(f"{c}: {_told(came.get(c, 0), have.get(c, 0))}, agreed {want.get(c, 0)}" for c in odd[:5])
    return Finding(
        ID, "more-than-agreed", "medium", 1.0, f"{supplier} delivered more rows than agreed in {len(odd)} classes",
        Where(supplier=supplier, label=", ".join(odd[:MOST_NAMED])), told,
        "reject or relabel the rows that are too many and screen again; or ask the supplier, or change the contract and receive again",
        "counts say nothing about content; an attacker who keeps to the contract is not seen here",
    )  # fmt: skip


def _told(came: int, have: int) -> str:
    return f"{have} rows" if came == have else f"{came} rows delivered, {have} in the data"


CHECK = Check(
    ID,
    4,
    run,
    "more rows than agreed; a delivery unlike the supplier's own earlier ones",
    "more rows: none, counts are exact; unlike the past: told at low severity, no rate is promised",
)
