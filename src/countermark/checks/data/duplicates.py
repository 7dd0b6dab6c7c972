"""data/duplicates: the same picture twice, exactly or nearly, mirrored or turned, within one supplier's rows or between two.

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
from countermark.checks.data._exhibit import strip
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Severity, Where

ID = "data/duplicates"
MOST_FINDINGS = 50
LEAST_SHARED = 3
Pixels = NDArray[np.uint8]
Group = NDArray[np.intp]


def run(view: View) -> CheckReport:
    """Groups of equal rows; each group is one finding, or part of one about two suppliers. Rows after the first are suspects."""
    near = _near.within(
        view.images, None if view.sizes is None else int(min(view.sizes.min(), *view.images.shape[1:3])), view.verdicts
    )
    equal = _equal(view.images)
    groups = _joined(len(view.images), equal + list(zip(near.one.tolist(), near.other.tolist(), strict=True)))
    shared, rest = _by_suppliers(view, groups)
    exhibits: dict[str, bytes] = {}
    findings: list[Finding] = []
    for (s, t), several in shared.items():
        digest, png = strip(view.images[_both(view, several, (s, t))])
        exhibits[digest] = png
        findings.append(_copied(view, (s, t), several, digest))
    for rows in rest[: max(0, MOST_FINDINGS - len(findings))]:
        digest, png = strip(view.images[rows])
        exhibits[digest] = png
        findings.append(_finding(view, rows, digest))
    suspects = tuple(int(r) for rows in groups for r in rows[1:])
    measures = (
        Measure("duplicate groups", len(groups)), Measure("rows that repeat another", len(suspects)),
        Measure("pairs of suppliers that share pictures", len(shared)),
    )  # fmt: skip
    left_out = (f"{near.unlooked} pairs that look alike were not compared on their pixels",) if near.unlooked else ()
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    return CheckReport(outcome, suspects=suspects, exhibits=exhibits)


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


def _joined(n: int, pairs: list[tuple[int, int]]) -> list[Group]:
    """Rows joined by pairs: ascending groups of two or more."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return []
    one, other = np.array(pairs, np.intp).T
    _, group = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)
    members = [np.flatnonzero(group == g) for g in np.unique(group[one])]
    return sorted(members, key=lambda rows: int(rows[0]))


def _equal(images: Pixels) -> list[tuple[int, int]]:
    first: dict[bytes, int] = {}
    digests = (hashlib.sha256(image.tobytes()).digest() for image in images)
    return [(first[d], i) for i, d in enumerate(digests) if first.setdefault(d, i) != i]


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


def _copied(view: View, pair: tuple[int, int], groups: list[Group], exhibit: str) -> Finding:
    s, t = (view.suppliers[i] for i in pair)
    mine = np.concatenate([rows[np.isin(view.supplier[rows], pair)] for rows in groups])
    later = np.concatenate([rows[1:][np.isin(view.supplier[rows[1:]], pair)] for rows in groups])
    labels = sorted({view.classes[c] for c in view.label[mine]})
    count = f"{len(groups)} pictures"
    return Finding(
        ID, "supplier-copies", "medium", 0.95, f"{count} of {s} are those of {t}",
        Where(rows=view.names(np.sort(later)), supplier=f"{s}, {t}", label=", ".join(labels)),
        f"equal, or near in one of eight poses; classes: {', '.join(labels)}",
        "ask both whose they are; keep one row of each and set the others aside",
        "who copied whom is not shown, nor whether both have them from a third; a near copy may be a photograph alike", (exhibit,),
    )  # fmt: skip


def _finding(view: View, rows: Group, exhibit: str) -> Finding:
    suppliers = sorted({view.suppliers[s] for s in view.supplier[rows]})
    labels = sorted({view.classes[c] for c in view.label[rows]})
    severity: Severity = "medium" if len(suppliers) > 1 or len(labels) > 1 else "low"
    between = f"between {', '.join(suppliers)}" if len(suppliers) > 1 else f"by {suppliers[0]}"
    return Finding(
        ID, "same-picture", severity, 0.95, f"one picture stands {len(rows)} times, delivered {between}",
        Where(rows=view.names(rows[1:]), supplier=", ".join(suppliers), label=", ".join(labels)),
        f"equal, or near in one of eight poses; classes: {', '.join(labels)}",
        "keep one row and set the others aside",
        "crops of more than about 2 % a side are mostly not found; who copied whom is not shown", (exhibit,),
    )  # fmt: skip


CHECK = Check(ID, 4, run)
