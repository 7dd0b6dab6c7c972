"""data/contract: rows per supplier and class are what was agreed. Free, and first."""

from __future__ import annotations

from collections.abc import Mapping

from countermark.checks.data._view import CheckReport, View
from countermark.finding import Finding, Found, Measure, Outcome, Passed, Skipped, Where

ID, VERSION = "data/contract", 1


def run(view: View) -> CheckReport:
    """Compare counts with the contract; Skipped where there is none."""
    if view.contract is None:
        return CheckReport(ID, VERSION, "", Skipped("no contract was given"))
    seen: dict[str, dict[str, int]] = {s: {} for s in view.suppliers}
    for s, c, rows in view.cells():
        seen[view.suppliers[s]][view.classes[c]] = len(rows)
    return CheckReport(ID, VERSION, "", compare(view.contract, seen))


def compare(agreed: Mapping[str, Mapping[str, int]], seen: Mapping[str, Mapping[str, int]]) -> Outcome:
    """Outcome of agreed against seen counts, supplier -> class -> rows."""
    findings = []
    for supplier in sorted(agreed.keys() | seen.keys()):
        want, have = agreed.get(supplier, {}), seen.get(supplier, {})
        odd = [c for c in sorted(want.keys() | have.keys()) if have.get(c, 0) > want.get(c, 0)]
        if odd:
            findings.append(_finding(supplier, odd, want, have))
    cells = sum(len(c) for c in seen.values())
    measures = (
        Measure("cells", cells),
        Measure("cells over contract", sum(len(f.where.label.split(", ")) for f in findings)),
    )
    return Found(tuple(findings), measures) if findings else Passed(measures)


def _finding(supplier: str, odd: list[str], want: Mapping[str, int], have: Mapping[str, int]) -> Finding:
    told = "; ".join(f"{c}: {have.get(c, 0)} rows, agreed {want.get(c, 0)}" for c in odd[:5])
    return Finding(
        ID, "more-than-agreed", "medium", 1.0, f"{supplier} delivered more rows than agreed in {len(odd)} classes",
        Where(supplier=supplier, label=", ".join(odd[:20])), told,
        "ask the supplier, or change the contract and receive again",
        "counts say nothing about content; fewer rows than agreed are not a finding here (they may be set aside)",
    )  # fmt: skip
