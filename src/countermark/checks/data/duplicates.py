"""data/duplicates: the same picture twice, exactly or nearly, mirrored or turned, within one supplier's rows or between two;
the same row of a table or the same clip, exactly.

Equal pictures by SHA-256; near ones among those that look most alike in any of eight poses, by how they differ (`_near`). Rows that stand
in a test set, where one is given, are leaks (`_leaks`). Where two suppliers share three rows or more, that is one finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _near
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._leaks import findings as leak_findings
from countermark.checks.data._leaks import leaked, leaks
from countermark.checks.data._repeats import NATURAL, by_nature, equal_pairs, joined, natural
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Severity, Where

__all__ = ["CHECK", "leaks", "run"]

ID = "data/duplicates"
MOST_FINDINGS = 50
LEAST_SHARED = 3
Group = NDArray[np.intp]


def run(view: View) -> CheckReport:
    """Groups of equal rows; each group is one finding, or part of one about two suppliers. Rows after the first are suspects."""
    groups, left_out = _groups(view)
    usual = natural(view, groups) if view.content.kind == "table" else 0.0
    if usual > NATURAL:
        return by_nature(view, groups, usual, ID)
    shared, rest = _by_suppliers(view, groups)
    in_test = leaked(view, _smallest(view))
    findings, exhibits = leak_findings(view, in_test, ID)
    for (s, t), several in shared.items():
        exhibits |= (seen := view.shown(_both(view, several, (s, t))))
        findings.append(_copied(view, (s, t), several, tuple(seen)))
    for rows in rest[: max(0, MOST_FINDINGS - len(findings))]:
        exhibits |= (seen := view.shown(rows))
        findings.append(_finding(view, rows, tuple(seen)))
    repeated = {int(r) for rows in groups for r in rows[1:]}
    measures: tuple[Measure, ...] = (
        Measure("duplicate groups", len(groups)), Measure("rows that repeat another", len(repeated)),
        Measure(f"pairs of suppliers that share {view.content.words.many}", len(shared)),
    )  # fmt: skip
    if view.tests is not None:
        measures = (*measures, Measure("test pictures that are rows", len(in_test)))
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    return CheckReport(outcome, suspects=tuple(sorted(repeated | set(in_test.values()))), exhibits=exhibits)


def _groups(view: View) -> tuple[list[Group], tuple[str, ...]]:
    """Rows joined by being equal, pictures also by being nearly so; and what was not compared."""
    equal = equal_pairs(view.content.digests())
    if view.content.kind != "pictures":
        return joined(len(view.label), equal), ()
    once = np.setdiff1d(np.arange(len(view.label)), [later for _, later in equal])
    near = _near.within(view.images[once], _smallest(view))
    pairs = zip(once[near.one].tolist(), once[near.other].tolist(), strict=True)
    left_out = () if near.all_compared else ("pairs whose hashes are more than 7 bits apart were not compared",)
    return joined(len(view.label), [*equal, *pairs]), left_out


def _smallest(view: View) -> int | None:
    """The smallest side that a picture had before it was enlarged, where it was and that is known."""
    return None if view.sizes is None else int(min(view.sizes.min(), *view.images.shape[1:3]))


def _by_suppliers(view: View, groups: Iterable[Group]) -> tuple[dict[tuple[int, int], list[Group]], list[Group]]:
    """Groups of pairs of suppliers that share several, and all other groups."""
    shared: dict[tuple[int, int], list[Group]] = {}
    listed = list(groups)
    for rows in listed:
        for pair in combinations(np.unique(view.supplier[rows]).tolist(), 2):
            shared.setdefault(pair, []).append(rows)
    shared = {pair: several for pair, several in shared.items() if len(several) >= LEAST_SHARED}
    told = {int(rows[0]) for several in shared.values() for rows in several}
    return shared, [rows for rows in listed if int(rows[0]) not in told]


def _both(view: View, groups: list[Group], pair: tuple[int, int]) -> Group:
    """One row of each supplier of each group, group after group."""
    return np.array([int(rows[view.supplier[rows] == s][0]) for rows in groups for s in pair], np.intp)


def _copied(view: View, pair: tuple[int, int], groups: list[Group], seen: tuple[str, ...]) -> Finding:
    s, t = (view.suppliers[i] for i in pair)
    mine = np.concatenate([rows[np.isin(view.supplier[rows], pair)] for rows in groups])
    later = np.concatenate([rows[1:][np.isin(view.supplier[rows[1:]], pair)] for rows in groups])
    labels = sorted({view.classes[c] for c in view.label[mine]})
    words = view.content.words
    count = f"{len(groups)} {words.many}"
    return Finding(
        ID, "supplier-copies", "medium", 0.95, f"{count} of {s} are those of {t}",
        Where(rows=view.names(np.sort(later)), supplier=f"{s}, {t}", label=", ".join(labels)),
        f"{words.equal}; classes: {', '.join(labels)}",
        "ask both whose they are; keep one row of each and set the others aside",
        f"who copied whom is not shown, nor whether both have them from a third; {words.unequal}", seen,
    )  # fmt: skip


def _finding(view: View, rows: Group, seen: tuple[str, ...]) -> Finding:
    words = view.content.words
    suppliers = sorted({view.suppliers[s] for s in view.supplier[rows]})
    labels = sorted({view.classes[c] for c in view.label[rows]})
    severity: Severity = "medium" if len(suppliers) > 1 or len(labels) > 1 else "low"
    between = f"between {', '.join(suppliers)}" if len(suppliers) > 1 else f"by {suppliers[0]}"
    return Finding(
        ID, f"same-{words.one}", severity, 0.95, f"one {words.one} stands {len(rows)} times, delivered {between}",
        Where(rows=view.names(rows[1:]), supplier=", ".join(suppliers), label=", ".join(labels)),
        f"{words.equal}; classes: {', '.join(labels)}",
        "keep one row and set the others aside",
        f"who copied whom is not shown; {words.unequal}", seen,
    )  # fmt: skip


CHECK = Check(
    ID,
    6,
    run,
    "equal pixels, or pairs whose difference is explained by light, blur, scale and place alone; equal cells or samples",
    "equal ones none; near ones: none promised, share of right pairs measured in docs/explanation/evaluation.md",
)
