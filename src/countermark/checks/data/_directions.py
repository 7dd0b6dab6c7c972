"""What some rows of a class have in common that no other class has: one direction, found on half, shown on the other.

A trigger adds (nearly) the same vector to every row that carries it. Rows are whitened by the spread inside the *other*
classes, which a poisoned class cannot have shaped (spectral signatures, Tran, Li and Madry, NeurIPS 2018; whitening, Hayase
et al., "SPECTRE", ICML 2021, who whiten by a robust estimate of the same rows instead). Directions come from rows brought
to length one (the spatial sign covariance, Visuri, Koivunen and Oja, 2000), so that one odd picture is one row's worth.
Each half of a class is scored along directions found on the other half alone: what only fits noise does not carry over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]
GROUPS, DIRECTIONS, STEPS = 4, 6, 3
FLOOR = 4.0
CLIP = 2.0
LEAST_ROWS = 8
COMPARED = 1500
FEWEST_APART = 3
OUTLYING = 2.5


@dataclass(frozen=True, slots=True)
class Common:
    """score: (n,) how far each row lies along the direction that suits it best, in robust spreads of honest rows.

    gap: (classes,) widest empty stretch below a group of rows along one direction, in both halves of the class, same unit.
    apart: (n,) rows above their class's gap.
    """

    score: Doubles
    gap: Doubles
    apart: NDArray[np.bool_]


def common(x: Floats, label: Rows, classes: int, seed: int, floor: float = FLOOR) -> Common:
    """Look for a common addition in every class of at least 8 rows.

    Args:
        x: (n, d) vectors. label: (n,) class codes. seed: of the halves and the rows compared with.
        floor: variance below which differences mean nothing, in the vectors' unit squared.
    """
    rng = np.random.default_rng([seed, 59])
    found = Common(np.zeros(len(x)), np.zeros(classes), np.zeros(len(x), bool))
    residual, centre = _centred(x, label, classes)
    total = residual.T @ residual
    group = rng.permutation(classes) % min(GROUPS, classes)
    for g in range(int(group.max()) + 1):
        mine = group[label] == g
        if mine.all():
            continue
        own = residual[mine]
        white = _Whitening.of((total - own.T @ own) / (~mine).sum(), floor)
        others = rng.permutation(np.flatnonzero(~mine))[:COMPARED]
        null = white(residual[others]), white(centre[label[others]])
        for c in map(int, np.flatnonzero(group == g)):
            rows = np.flatnonzero(label == c)
            if len(rows) >= LEAST_ROWS:
                _look(_Class(white(residual[rows]), white(centre[c][None]), *null), rows, c, rng, found)
    return found


def _centred(x: Floats, label: Rows, classes: int) -> tuple[Floats, Floats]:
    """Rows less their class's mean, and (classes, d) the means less the mean of all."""
    sums = np.zeros((classes, x.shape[1]))
    np.add.at(sums, label, x)
    mean = sums / np.maximum(np.bincount(label, minlength=classes), 1)[:, None]
    return np.asarray(x - mean[label], np.float32), np.asarray(mean - x.mean(axis=0, dtype=np.float64), np.float32)


@dataclass(frozen=True, slots=True)
class _Whitening:
    factor: Floats

    @classmethod
    def of(cls, covariance: NDArray[np.floating], floor: float) -> _Whitening:
        square = covariance.astype(np.float64) + floor * np.eye(len(covariance))
        return cls(np.linalg.cholesky(square).astype(np.float32))

    def __call__(self, rows: Floats) -> Floats:
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(self.factor, rows.T, lower=True, check_finite=False).T, np.float32)


@dataclass(frozen=True, slots=True)
class _Class:
    """Whitened residuals of a class and its mean; residuals and means of rows of other classes."""

    rows: Floats
    mean: Floats
    others: Floats
    means: Floats

    def clipped(self) -> Floats:
        """Rows with their class's mean, none longer than twice what is usual."""
        length = np.linalg.norm(self.rows, axis=1, keepdims=True)
        usual = max(np.median(length), np.median(np.linalg.norm(self.others, axis=1)))
        return np.asarray(self.rows * np.minimum(1, CLIP * usual / length) + self.mean, np.float32)

    def placed(self, taught: Floats, v: Floats) -> tuple[float, float]:
        """Where honest rows lie along `v`, and their spread.

        Up to three quarters of the class may be poisoned: only its lower rows say where it lies, unless everybody else
        lies higher.
        """
        null = self.others @ v
        low, quarter = np.quantile(taught @ v, [0.05, 0.25])
        spread = (quarter - low) / (1.645 - 0.674)
        everybody = float(np.median(null + self.means @ v))
        wide = 1.4826 * float(np.median(np.abs(null - np.median(null))))
        return max(float(quarter + 0.674 * spread), everybody), max(wide, float(spread), 1e-6)


def _look(known: _Class, rows: Rows, c: int, rng: np.random.Generator, found: Common) -> None:
    half = rng.permutation(len(rows)) % 2
    clipped = known.clipped()
    unit = known.rows / np.maximum(np.linalg.norm(known.rows, axis=1, keepdims=True), 1e-9)
    gaps = []
    for h in (0, 1):
        teach, ask = half != h, half == h
        best = np.zeros(int(ask.sum()))
        widest: tuple[float, float, Doubles] = (0.0, np.inf, best)
        for v in _candidates(unit[teach]):
            place, spread = known.placed(clipped[teach], v)
            taught, asked = ((clipped[part] @ v - place) / spread for part in (teach, ask))
            best = np.maximum(best, asked)
            gap, at = _gap(taught)
            if gap > widest[0]:
                widest = gap, at, asked
        found.score[rows[ask]] = best
        _, at, asked = widest
        gaps.append(_clear(asked, at))
        found.apart[rows[ask]] = asked > at
    found.gap[c] = min(gaps)


def _candidates(unit: Floats) -> Iterator[Floats]:
    """Leading directions both ways, each drawn towards the rows that lie out along it."""
    _, values, directions = np.linalg.svd(unit, full_matrices=False)
    for first in directions[: min(DIRECTIONS, len(values))]:
        for sign in (1, -1):
            v = sign * first
            for _ in range(STEPS):
                along = unit @ v
                middle = np.median(along)
                out = np.flatnonzero(along > middle + OUTLYING * 1.4826 * np.median(np.abs(along - middle)))
                out = out if len(out) >= FEWEST_APART else np.argsort(-along, kind="stable")[:FEWEST_APART]
                v = unit[out].mean(axis=0)
                v /= max(float(np.linalg.norm(v)), 1e-9)
            yield np.asarray(v, np.float32)


def _gap(along: Doubles) -> tuple[float, float]:
    """Widest empty stretch above where honest rows lie with at least three rows beyond it, and its middle."""
    ordered = np.maximum(np.sort(along), 0)
    steps = np.diff(ordered)
    steps[len(steps) - FEWEST_APART + 1 :] = 0
    at = int(steps.argmax()) if len(steps) else 0
    return (float(steps[at]), float(ordered[at] + steps[at] / 2)) if len(steps) else (0.0, np.inf)


def _clear(along: Doubles, at: float) -> float:
    """Empty stretch around `at`; nothing where fewer than three rows lie above."""
    above, below = along[along > at], along[along <= at]
    if len(above) < FEWEST_APART or not len(below):
        return 0.0
    return float(max(0.0, np.quantile(above, 0.1) - max(0.0, np.quantile(below, 0.99))))
