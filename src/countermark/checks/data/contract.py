"""data/contract: rows per supplier and class are what was agreed. Free, and first; needs no picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Outcome, Passed, Skipped, Where

ID = "data/contract"
MOST_NAMED = 20
Counts = Mapping[str, Mapping[str, int]]


def run(view: View) -> CheckReport:
    """Compare counts with the contract; Skipped where there is none."""
    if view.contract is None:
        return CheckReport(Skipped("no contract was given that says how many rows were agreed (`--contract FILE`)"))
    seen: dict[str, dict[str, int]] = {s: {} for s in view.suppliers}
    for s, c, rows in view.cells:
        seen[view.suppliers[s]][view.classes[c]] = len(rows)
    return CheckReport(compare(view.contract, seen))


def counts(labels: Sequence[str], suppliers: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows per supplier and class, from two names a row."""
    out: dict[str, dict[str, int]] = {}
    for label, supplier in zip(labels, suppliers, strict=True):
        mine = out.setdefault(supplier, {})
        mine[label] = mine.get(label, 0) + 1
    return out


def compare(agreed: Counts, seen: Counts) -> Outcome:
    """Outcome of agreed against seen counts, supplier -> class -> rows.

    More rows than agreed, or rows of a class or supplier nobody agreed on, are findings. Fewer are only counted:
    rows may have been set aside since.
    """
    findings, over, under = [], 0, 0
    for supplier in sorted(agreed.keys() | seen.keys()):
        want, have = agreed.get(supplier, {}), seen.get(supplier, {})
        odd = [c for c in sorted(want.keys() | have.keys()) if have.get(c, 0) > want.get(c, 0)]
        over += len(odd)
        under += sum(have.get(c, 0) < n for c, n in want.items())
        if odd:
            findings.append(_finding(supplier, odd, want, have))
    measures = (
        Measure("cells", sum(len(c) for c in seen.values())), Measure("cells over contract", over),
        Measure("cells under contract", under),
    )  # fmt: skip
    return Found(tuple(findings), measures) if findings else Passed(measures)


def _finding(supplier: str, odd: list[str], want: Mapping[str, int], have: Mapping[str, int]) -> Finding:
    told = "; ".join(f"{c}: {have.get(c, 0)} rows, agreed {want.get(c, 0)}" for c in odd[:5])
    return Finding(
        ID, "more-than-agreed", "medium", 1.0, f"{supplier} delivered more rows than agreed in {len(odd)} classes",
        Where(supplier=supplier, label=", ".join(odd[:MOST_NAMED])), told,
        "ask the supplier, or change the contract and receive again",
        "counts say nothing about content; an attacker who keeps to the contract is not seen here",
    )  # fmt: skip


CHECK = Check(ID, 2, run)
