"""The battery: features once, every check over them, one calibrated result per supplier, cell and row.

Hierarchical: suppliers first (family-wise error controlled by Holm over all suppliers and all tests), rows
only inside what was named. p-values are combined by Bonferroni, never by averaging ranks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import (
    _ridge,
    cell_difference,
    contract,
    duplicates,
    image_scaling,
    label_errors,
    leave_one_supplier_out,
    recurring_patch,
)
from countermark.checks.data._null import holm
from countermark.checks.data._view import LEAST_ROWS, CheckReport, View
from countermark.engines.engine import Engine, Pool
from countermark.errors import Unusable
from countermark.features.patches import SIDE, PatchFeatures, encode_batch
from countermark.finding import SEVERITIES, Failed, Finding, Found

ALPHA = 0.05
BATCH = 250
Progress = Callable[[str, float], None]
LabelFlags = NDArray[np.bool_]


class Check(Protocol):
    """A check of training data: one module with an id, a version and a function of a `View`."""

    ID: str
    VERSION: int

    def run(self, view: View) -> CheckReport:
        """Look at the rows."""
        ...


CHECKS: tuple[Check, ...] = (
    contract, duplicates, label_errors, leave_one_supplier_out, cell_difference, recurring_patch, image_scaling,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SupplierResult:
    """p: combined over all tests. q: after Holm over suppliers. named: q below 0.05. why: which checks."""

    id: str
    p: float
    q: float
    named: bool
    why: str


@dataclass(frozen=True, slots=True)
class CellResult:
    """A supplier x class cell, its smallest p-value over the cell tests, and that after Holm over all cells."""

    supplier: str
    label: str
    p: float
    q: float
    named: bool


@dataclass(frozen=True, slots=True)
class Features:
    """What the rows were turned into, and how well a head does on it out of fold."""

    name: str
    dimensions: int
    accuracy: float

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"name": self.name, "dimensions": self.dimensions, "accuracy": self.accuracy}


@dataclass(frozen=True, slots=True)
class Screening:
    """What the battery found.

    Attributes:
        row_p: (n,) combined p-values in (0, 1]. row_flagged: (n,) rows to set aside.
        suppliers, cells: results in name order. checks: id -> report. abstained: classes too small to judge.
        findings: worst first. exhibits: SHA-256 -> PNG.
    """

    row_p: NDArray[np.float64]
    row_flagged: LabelFlags
    suppliers: tuple[SupplierResult, ...]
    cells: tuple[CellResult, ...]
    checks: dict[str, CheckReport]
    abstained: tuple[str, ...]
    features: Features
    findings: tuple[Finding, ...]
    exhibits: dict[str, bytes]

    @property
    def named(self) -> tuple[str, ...]:
        """Suppliers whose deliveries disagree with all others."""
        return tuple(s.id for s in self.suppliers if s.named)

    def _repr_html_(self) -> str:
        """A short table for notebooks."""
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(f.check)}</td><td>{f.severity}</td><td>{escape(f.what)}</td></tr>" for f in self.findings
        )
        named = escape(", ".join(self.named) or "nobody")
        return f"<p>{int(self.row_flagged.sum())} of {len(self.row_p)} rows flagged; named: {named}</p><table>{rows}</table>"


def screen(
    images: NDArray[np.uint8],
    labels: Sequence[str],
    suppliers: Sequence[str],
    *,
    model: object | None = None,
    deliveries: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    contract: Mapping[str, Mapping[str, int]] | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Screening:
    """Screen training data for poison, and name the supplier.

    Args:
        images: uint8 (n, h, w) or (n, h, w, 3). labels, suppliers: n names each.
        model: reserved for the user's own features. deliveries: n delivery ids, for row names where `ids` is absent.
        ids: n row names. contract: supplier -> class -> rows agreed. seed: of sampling and folds.
        engine: how feature extraction is spread; default a pool of two processes for large sets.
        progress: called with (stage, share done).

    Raises:
        Unusable: shapes disagree, fewer than two suppliers or classes, or `model` is given.
    """
    view, features, model_features = _prepare(
        images, labels, suppliers, model, deliveries, ids, contract, seed, engine, progress
    )
    del features
    reports: dict[str, CheckReport] = {}
    for at, check in enumerate(CHECKS):
        if progress:
            progress(check.ID, at / len(CHECKS))
        reports[check.ID] = _run(check, view)
    if progress:
        progress("done", 1.0)
    return _joined(view, reports, model_features)


def _run(check: Check, view: View) -> CheckReport:
    """Run one check; a numerical breakdown is its outcome, never a pass."""
    from dataclasses import replace

    try:
        report = check.run(view)
    except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError) as error:
        return CheckReport(check.ID, check.VERSION, code_digest(), Failed(f"{type(error).__name__}: {error}"))
    return replace(report, code=code_digest())


@cache
def code_digest() -> str:
    """Hex SHA-256 over the source of these checks and of the features they use."""
    total = hashlib.sha256()
    here = Path(__file__).parent
    for folder in (here, here.parent.parent / "features"):
        for path in sorted(folder.glob("*.py")):
            total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _prepare(
    images: NDArray[np.uint8], labels: Sequence[str], suppliers: Sequence[str], model: object | None,
    deliveries: Sequence[str] | None, ids: Sequence[str] | None, contract: Mapping[str, Mapping[str, int]] | None,
    seed: int, engine: Engine | None, progress: Progress | None,
) -> tuple[View, NDArray[np.float32], Features]:  # fmt: skip
    pixels = _pixels(images)
    if not len(pixels) == len(labels) == len(suppliers):
        raise Unusable(
            f"{len(pixels)} images, {len(labels)} labels and {len(suppliers)} suppliers", mend="one of each per row"
        )
    if model is not None:
        raise Unusable(
            "features of the user's own model are not read yet", mend="leave `model` out: patch features are learnt"
        )
    classes, label = np.unique(np.asarray(labels, str), return_inverse=True)
    names, supplier = np.unique(np.asarray(suppliers, str), return_inverse=True)
    if len(classes) < 2 or len(names) < 2:
        raise Unusable(
            "two classes and two suppliers are needed to compare anything", mend="screen all deliveries together"
        )
    raw = _features(pixels, seed, engine, progress)
    z = _ridge.reduced(raw, seed)
    scores = _ridge.leave_groups_out(z, label, _ridge.folds(label, seed), len(classes))
    left_out = _ridge.leave_groups_out(z, label, supplier, len(classes))
    accuracy = float((scores.argmax(axis=1) == label).mean())
    tags = deliveries if deliveries is not None else suppliers
    row_ids = tuple(ids) if ids is not None else tuple(f"{t}/{i}" for i, t in enumerate(tags))
    view = View(
        pixels, label, supplier, tuple(map(str, classes)), tuple(map(str, names)), row_ids, z, scores, left_out,
        accuracy, contract, seed, _class_means(z, label, len(classes)),
    )  # fmt: skip
    return view, raw, Features("k-means patches", raw.shape[1], accuracy)


def _class_means(z: NDArray[np.float32], label: NDArray[np.intp], classes: int) -> NDArray[np.float64]:
    sums = np.zeros((classes, z.shape[1]))
    np.add.at(sums, label, z)
    return np.asarray(sums / np.maximum(np.bincount(label, minlength=classes), 1)[:, None])


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
        raise Unusable(f"images of {images.dtype} {images.shape}", mend="uint8 (n, h, w) or (n, h, w, 3)")
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)


def _features(
    pixels: NDArray[np.uint8], seed: int, engine: Engine | None, progress: Progress | None
) -> NDArray[np.float32]:
    sized = _at_side(pixels)
    learnt = PatchFeatures.fit(sized, seed)
    batches = [(learnt.words, sized[at : at + BATCH]) for at in range(0, len(sized), BATCH)]
    spread = engine or _default_engine(len(sized))
    parts = []
    for done, part in enumerate(spread.map(encode_batch, batches), 1):
        parts.append(part)
        if progress:
            progress("features", done / len(batches))
    return np.concatenate(parts)


def _default_engine(rows: int) -> Engine:
    """Two processes once the work outweighs starting them (about two seconds each)."""
    from countermark.engines.engine import InProcess

    return Pool(2) if rows > 20_000 else InProcess()


def _at_side(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures at the features' size, by area average down and by repetition up."""
    height, width = pixels.shape[1:3]
    if (height, width) == (SIDE, SIDE):
        return pixels
    rows = np.linspace(0, height, SIDE + 1)
    columns = np.linspace(0, width, SIDE + 1)
    sums = np.zeros((len(pixels), height + 1, width + 1, 3), np.float32)
    sums[:, 1:, 1:] = pixels.cumsum(axis=1, dtype=np.float32).cumsum(axis=2)
    y0, y1 = rows[:-1].astype(int), np.maximum(np.ceil(rows[1:]).astype(int), rows[:-1].astype(int) + 1)
    x0, x1 = columns[:-1].astype(int), np.maximum(np.ceil(columns[1:]).astype(int), columns[:-1].astype(int) + 1)
    area = ((y1 - y0)[:, None] * (x1 - x0)[None, :])[None, :, :, None]
    total = sums[:, y1][:, :, x1] - sums[:, y0][:, :, x1] - sums[:, y1][:, :, x0] + sums[:, y0][:, :, x0]
    return np.asarray(np.clip(total / area, 0, 255), np.uint8)


def _joined(view: View, reports: dict[str, CheckReport], features: Features) -> Screening:
    cells = _cells(view, reports)
    suppliers = _suppliers(view, reports, cells)
    named = {s.id for s in suppliers if s.named}
    flagged = np.zeros(len(view.label), bool)
    row_p = np.ones(len(view.label))
    for report in reports.values():
        if report.row_p is not None:
            row_p = np.minimum(row_p, np.clip(report.row_p * len(reports), 0, 1))
        rows = np.array(report.suspects, np.intp)
        # Duplicates stand on their own; other suspicions count only inside what was named.
        keep = (
            rows
            if report.id == duplicates.ID
            else rows[[view.suppliers[view.supplier[r]] in named for r in rows]]
            if len(rows)
            else rows
        )
        flagged[keep] = True
    row_p[flagged] = np.minimum(row_p[flagged], _named_p(view, suppliers)[flagged])
    exhibits: dict[str, bytes] = {}
    for report in reports.values():
        exhibits |= report.exhibits
    counts = np.bincount(view.label, minlength=len(view.classes))
    abstained = tuple(c for c, n in zip(view.classes, counts, strict=True) if n < LEAST_ROWS)
    return Screening(
        row_p, flagged, suppliers, cells, reports, abstained, features, tuple(_worst_first(reports)), exhibits
    )


def _named_p(view: View, suppliers: Sequence[SupplierResult]) -> NDArray[np.float64]:
    return np.array([s.q for s in suppliers])[view.supplier]


def _cells(view: View, reports: dict[str, CheckReport]) -> tuple[CellResult, ...]:
    """Smallest p over the cell tests, times their number, then Holm over all cells."""
    tests = [r.cell_p for r in reports.values() if r.cell_p]
    keys = [(s, c) for s, c, _ in view.cells()]
    p = np.array([min(1.0, len(tests) * min([t.get(k, 1.0) for t in tests], default=1.0)) for k in keys])
    q = holm(p) if len(p) else p
    return tuple(
        CellResult(view.suppliers[s], view.classes[c], float(pi), float(qi), bool(qi < ALPHA))
        for (s, c), pi, qi in zip(keys, p, q, strict=True)
    )


def _suppliers(view: View, reports: dict[str, CheckReport], cells: Sequence[CellResult]) -> tuple[SupplierResult, ...]:
    """Each supplier's smallest p over the supplier tests and, corrected for its number of cells, the cell tests."""
    tests = {r.id: r.supplier_p for r in reports.values() if r.supplier_p is not None}
    best_cell: dict[str, float] = {}
    for cell in cells:
        best_cell[cell.supplier] = min(best_cell.get(cell.supplier, 1.0), cell.p)
    count = {s: sum(c.supplier == s for c in cells) for s in view.suppliers}
    p, why = [], []
    for i, supplier in enumerate(view.suppliers):
        found = {name: float(t[i]) for name, t in tests.items()}
        found["cells"] = min(1.0, best_cell.get(supplier, 1.0) * count[supplier])
        least = min(found, key=lambda name: found[name])
        p.append(min(1.0, found[least] * len(found)))
        why.append(least)
    q = holm(np.array(p))
    reasons = _reasons(reports)
    return tuple(
        SupplierResult(s, float(pi), float(qi), bool(qi < ALPHA), reasons.get(s, w) if qi < ALPHA else "")
        for s, pi, qi, w in zip(view.suppliers, p, q, why, strict=True)
    )


def _reasons(reports: dict[str, CheckReport]) -> dict[str, str]:
    out: dict[str, list[str]] = {}
    for report in reports.values():
        if isinstance(report.outcome, Found):
            for finding in report.outcome.findings:
                out.setdefault(finding.where.supplier, []).append(finding.what)
    return {supplier: "; ".join(told[:3]) for supplier, told in out.items()}


def _worst_first(reports: dict[str, CheckReport]) -> Iterator[Finding]:
    every = [f for r in reports.values() if isinstance(r.outcome, Found) for f in r.outcome.findings]
    yield from sorted(every, key=lambda f: (-SEVERITIES.index(f.severity), -f.confidence))
