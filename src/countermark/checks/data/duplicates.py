"""data/duplicates: the same picture twice, exactly or nearly, within one supplier's rows or between two.

Near pictures are proposed by a 64-bit difference hash (horizontal gradients of a 9 x 8 picture) and confirmed
by their pixels, because small parts on one table share their hash without being the same photograph.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._view import View
from countermark.finding import Finding, Found, Measure, Passed, Severity, Where

ID = "data/duplicates"
NEAR_GREY_LEVELS = 1.0
MOST_PER_HASH = 400
CELLS = (8, 9)


def run(view: View) -> CheckReport:
    """Groups of equal rows; each group is one finding, rows after the first are suspects."""
    groups = _groups(view.images)
    findings, exhibits, suspects = [], {}, []
    for rows in groups:
        digest, png = strip(view.images[rows])
        exhibits[digest] = png
        findings.append(_finding(view, rows, digest))
        suspects += [int(r) for r in rows[1:]]
    measures = (Measure("duplicate groups", len(groups)), Measure("rows that repeat another", len(suspects)))
    outcome = Found(tuple(findings[:50]), measures) if findings else Passed(measures)
    return CheckReport(outcome, suspects=tuple(suspects), exhibits=exhibits)


def _groups(images: NDArray[np.uint8]) -> list[NDArray[np.intp]]:
    """Rows joined by equality or nearness, groups of two or more."""
    parent = np.arange(len(images))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for candidates in (*_equal(images), *_alike(images)):
        for one, other in _confirmed(images, candidates):
            parent[root(other)] = root(one)
    out: dict[int, list[int]] = defaultdict(list)
    for i in range(len(images)):
        out[root(i)].append(i)
    return [np.array(rows) for rows in out.values() if len(rows) > 1]


def _equal(images: NDArray[np.uint8]) -> list[list[int]]:
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        by_digest[hashlib.sha256(image.tobytes()).digest()].append(i)
    return [rows for rows in by_digest.values() if len(rows) > 1]


def _alike(images: NDArray[np.uint8]) -> list[list[int]]:
    """Rows with the same difference hash."""
    rows, columns = CELLS
    n, h, w = images.shape[:3]
    grey = images[:, : h - h % rows, : w - w % columns].astype(np.float32).mean(axis=-1)
    small = grey.reshape(n, rows, h // rows, columns, w // columns).mean(axis=(2, 4))
    bits = np.packbits((small[:, :, 1:] > small[:, :, :-1]).reshape(n, -1), axis=1)
    by_hash: dict[bytes, list[int]] = defaultdict(list)
    for i, code in enumerate(bits):
        by_hash[code.tobytes()].append(i)
    return [found[:MOST_PER_HASH] for found in by_hash.values() if len(found) > 1]


def _confirmed(images: NDArray[np.uint8], rows: list[int]) -> list[tuple[int, int]]:
    out = []
    stack = images[rows].astype(np.int16)
    for i in range(len(rows) - 1):
        difference = np.abs(stack[i + 1 :] - stack[i]).mean(axis=(1, 2, 3))
        out += [(rows[i], rows[i + 1 + int(j)]) for j in np.flatnonzero(difference <= NEAR_GREY_LEVELS)]
    return out


def _finding(view: View, rows: NDArray[np.intp], exhibit: str) -> Finding:
    suppliers = sorted({view.suppliers[s] for s in view.supplier[rows]})
    labels = sorted({view.classes[c] for c in view.label[rows]})
    severity: Severity = "medium" if len(suppliers) > 1 or len(labels) > 1 else "low"
    between = f"between {', '.join(suppliers)}" if len(suppliers) > 1 else f"by {suppliers[0]}"
    return Finding(
        ID, "same-picture", severity, 0.99, f"one picture stands {len(rows)} times, delivered {between}",
        Where(rows=view.names(rows[1:]), supplier=", ".join(suppliers), label=", ".join(labels)),
        f"the pixels differ by at most {NEAR_GREY_LEVELS:g} grey level on average; classes: {', '.join(labels)}",
        "keep one row and set the others aside",
        "mirrored, turned or cropped copies are not found; who copied whom is not shown", (exhibit,),
    )  # fmt: skip


CHECK = Check(ID, 2, run)
