"""data/duplicates: the same picture twice, exactly or nearly, mirrored or turned, within one supplier's rows or between two;
the same row of a table or the same clip, exactly.

Equal pictures by SHA-256; near ones by 64-bit perceptual hashes at most 6 bits apart in any of eight poses (`_hashes`, `_hash_index`),
confirmed on the pixels (`_near`). Where two suppliers share three pictures or more, that is one finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _near
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._repeats import BOUND, NATURAL, equal_pairs, joined, natural, shares, standing_out
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Severity, Where

ID = "data/duplicates"
MOST_FINDINGS = 50
LEAST_SHARED = 3
Pixels = NDArray[np.uint8]
Group = NDArray[np.intp]


def run(view: View) -> CheckReport:
    """Groups of equal rows; each group is one finding, or part of one about two suppliers. Rows after the first are suspects."""
    groups, unlooked = _groups(view)
    share = shares(view, groups)
    usual = natural(view, groups) if view.content.kind == "table" else 0.0
    if usual > NATURAL:
        return _by_nature(view, share, usual)
    shared, rest = _by_suppliers(view, groups)
    exhibits: dict[str, bytes] = {}
    findings: list[Finding] = []
    for (s, t), several in shared.items():
        exhibits |= (seen := view.shown(_both(view, several, (s, t))))
        findings.append(_copied(view, (s, t), several, tuple(seen)))
    for rows in rest[: max(0, MOST_FINDINGS - len(findings))]:
        exhibits |= (seen := view.shown(rows))
        findings.append(_finding(view, rows, tuple(seen)))
    suspects = tuple(int(r) for rows in groups for r in rows[1:])
    measures = (
        Measure("duplicate groups", len(groups)), Measure("rows that repeat another", len(suspects)),
        Measure(f"pairs of suppliers that share {view.content.words.many}", len(shared)),
    )  # fmt: skip
    left_out = (f"{unlooked} pairs that look alike were not compared on their pixels",) if unlooked else ()
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    return CheckReport(outcome, suspects=suspects, exhibits=exhibits)


def _groups(view: View) -> tuple[list[Group], int]:
    """Rows joined by being equal, pictures also by being nearly so; and candidates that were not looked at."""
    equal = equal_pairs(view.content.digests())
    if view.content.kind != "pictures":
        return joined(len(view.label), equal), 0
    near = _near.within(
        view.images, None if view.sizes is None else int(min(view.sizes.min(), *view.images.shape[1:3]))
    )
    return joined(
        len(view.label), equal + list(zip(near.one.tolist(), near.other.tolist(), strict=True))
    ), near.unlooked


def _by_nature(view: View, share: NDArray[np.float64], usual: float) -> CheckReport:
    """Where rows repeat by nature: suppliers that repeat far more than all others, and no row set aside."""
    findings = tuple(_stands_out(view, s, float(share[s]), usual, p) for s, p in standing_out(view, share))
    measures = (
        Measure("rows that repeat another, median supplier", usual), Measure("largest share of a supplier", float(share.max())),
        Measure("bound on adjusted p", BOUND),
    )  # fmt: skip
    left_out = (f"single repeated {view.content.words.many}: {usual:.1%} of the median supplier's repeat by nature",)
    return CheckReport(Found(findings, measures, left_out) if findings else Passed(measures, left_out))


def leaks(train: Pixels, test: Pixels) -> dict[int, int]:
    """Test pictures that stand in the training data as well: row of `test` -> one row of `train`.

    Args:
        train, test: uint8 (n, h, w, 3) of one size. Near, mirrored and turned copies count.
    """
    known = {hashlib.sha256(image.tobytes()).digest(): i for i, image in enumerate(train)}
    near = _near.between(train, test)
    out = dict(zip(near.other.tolist(), near.one.tolist(), strict=True))
    for i, image in enumerate(test):
        equal = known.get(hashlib.sha256(image.tobytes()).digest())
        if equal is not None:
            out[i] = equal
    return dict(sorted(out.items()))


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
        "who copied whom is not shown, nor whether both have them from a third; a near copy may be alike by chance", seen,
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
        f"{words.unequal}; who copied whom is not shown", seen,
    )  # fmt: skip


def _stands_out(view: View, s: int, share: float, usual: float, p: float) -> Finding:
    words, name = view.content.words, view.suppliers[s]
    return Finding(
        ID, "repeats-more", "medium", min(0.999, 1 - p),
        f"{share:.0%} of {name}'s {words.many} repeat another; {usual:.0%} of the median supplier's",
        Where(supplier=name), f"{words.equal}; adjusted p = {p:.2g} against the spread over suppliers",
        "ask the supplier how its rows came to be; keep one of each where they are copies",
        "which of them are copies: rows of this data repeat by nature",
    )  # fmt: skip


CHECK = Check(ID, 5, run)
