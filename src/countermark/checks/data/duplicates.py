"""data/duplicates: the same picture twice, exactly or nearly, within one supplier's rows or between two.

Near pictures are looked for among all rows of a class (of at most 300 rows), and across classes by a 64-bit difference
hash (horizontal gradients of a 9 x 8 picture) whose four 16-bit bands are looked up, which finds every pair at most 3
bits apart. Pixels of grey 32 x 32 pictures confirm: small parts on one table share their hash without being the same
photograph. The bounds were set on renders (nearest honest pair: 1.07 grey levels at 9 % of the contrast).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Severity, Where

ID = "data/duplicates"
RADIUS, BANDS = 3, 4
NEAR, NEAR_GREY_LEVELS = 0.12, 1.0
MOST_TOGETHER = 300
MOST_FINDINGS = 50
SMALL = 32
Pixels = NDArray[np.uint8]
Codes = NDArray[np.uint64]
Greys = NDArray[np.int16]


def run(view: View) -> CheckReport:
    """Groups of equal rows; each group is one finding, rows after the first are suspects."""
    codes, small = _hashes(view.images)
    equal = _equal(view.images)
    near, crowded = _alike(view.label, codes, small)
    groups = _joined(len(view.images), equal + near)
    exhibits: dict[str, bytes] = {}
    findings: list[Finding] = []
    for rows in groups[:MOST_FINDINGS]:
        digest, png = strip(view.images[rows])
        exhibits[digest] = png
        findings.append(_finding(view, rows, digest))
    suspects = tuple(int(r) for rows in groups for r in rows[1:])
    measures = (
        Measure("duplicate groups", len(groups)), Measure("rows that repeat another", len(suspects)),
        Measure("rows not compared nearly (too many look alike)", crowded),
    )  # fmt: skip
    left_out = (_left_out(crowded),) if crowded else ()
    outcome = Found(tuple(findings), measures, left_out) if findings else Passed(measures, left_out)
    return CheckReport(outcome, suspects=suspects, exhibits=exhibits)


def _left_out(crowded: int) -> str:
    return (
        f"{crowded} rows were not compared nearly with all that look alike (more than {MOST_TOGETHER} rows of one class or "
        "one part of the hash); equal pictures among them were looked for"
    )


def _joined(n: int, pairs: list[tuple[int, int]]) -> list[NDArray[np.intp]]:
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


def _hashes(images: Pixels) -> tuple[Codes, Greys]:
    """64-bit difference hashes (n,), and grey pictures of 32 x 32 (n, 1024)."""
    grey = images[..., 0].astype(np.float32) + images[..., 1] + images[..., 2]
    small = _area(_area(grey / 3, SMALL, 1), SMALL, 2)
    tiny = _area(_area(small, 8, 1), 9, 2)
    bits = (tiny[:, :, 1:] > tiny[:, :, :-1]).reshape(len(images), 64)
    codes = np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)
    return codes, np.rint(small).astype(np.int16).reshape(len(images), -1)


def _area(pictures: NDArray[np.floating[Any]], lines: int, axis: int) -> NDArray[np.float32]:
    """Means of `lines` nearly equal runs of lines along an axis; runs are one line where there are too few."""
    edges = np.linspace(0, pictures.shape[axis], lines + 1).astype(int)
    starts = np.minimum(edges[:-1], pictures.shape[axis] - 1)
    widths = np.maximum(np.diff(edges), 1).reshape([-1 if a == axis else 1 for a in range(3)])
    sums = np.cumsum(np.insert(pictures, 0, 0, axis=axis), axis=axis, dtype=np.float64)
    ends = np.minimum(starts + np.maximum(np.diff(edges), 1), pictures.shape[axis])
    return np.asarray((sums.take(ends, axis) - sums.take(starts, axis)) / widths, np.float32)


def _alike(label: NDArray[np.intp], codes: Codes, small: Greys) -> tuple[list[tuple[int, int]], int]:
    """Near pairs, and how many rows stood in groups too large to compare."""
    contrast = np.abs(small - np.median(small, axis=1, keepdims=True)).mean(axis=1)
    pairs: set[tuple[int, int]] = set()
    crowded: set[int] = set()
    keys: list[tuple[NDArray[np.intp], int]] = [(label.astype(np.intp), 64)]
    for band in range(BANDS):
        keys.append((((codes >> np.uint64(16 * band)) & np.uint64(0xFFFF)).astype(np.intp), RADIUS))
    for key, radius in keys:
        order = np.argsort(key, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            if len(rows) > MOST_TOGETHER:
                crowded.update(rows.tolist())
            elif len(rows) > 1:
                pairs.update(_confirmed(rows, radius, codes, (small, contrast)))
    return sorted(pairs), len(crowded)


def _confirmed(
    rows: NDArray[np.intp], radius: int, codes: Codes, pictures: tuple[Greys, NDArray[np.float64]]
) -> list[tuple[int, int]]:
    small, contrast = pictures
    out = []
    for at, i in enumerate(rows[:-1]):
        rest = rows[at + 1 :]
        rest = rest[np.bitwise_count(codes[rest] ^ codes[i]) <= radius]
        if len(rest):
            difference = np.abs(small[rest] - small[i]).mean(axis=1)
            least = np.minimum(contrast[rest], contrast[i])
            near = (difference <= NEAR_GREY_LEVELS) & (difference <= NEAR * least)
            out += [(int(i), int(j)) for j in rest[near]]
    return out


def _finding(view: View, rows: NDArray[np.intp], exhibit: str) -> Finding:
    suppliers = sorted({view.suppliers[s] for s in view.supplier[rows]})
    labels = sorted({view.classes[c] for c in view.label[rows]})
    severity: Severity = "medium" if len(suppliers) > 1 or len(labels) > 1 else "low"
    between = f"between {', '.join(suppliers)}" if len(suppliers) > 1 else f"by {suppliers[0]}"
    return Finding(
        ID, "same-picture", severity, 0.99, f"one picture stands {len(rows)} times, delivered {between}",
        Where(rows=view.names(rows[1:]), supplier=", ".join(suppliers), label=", ".join(labels)),
        f"equal, or at most {NEAR:.0%} of the picture's contrast apart; classes: {', '.join(labels)}",
        "keep one row and set the others aside",
        "mirrored, turned or cropped copies are not found; who copied whom is not shown", (exhibit,),
    )  # fmt: skip


CHECK = Check(ID, 3, run)
