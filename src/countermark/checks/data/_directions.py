"""What some rows of a class have in common that no other class has: one direction, found on half, shown on the other.

A trigger adds (nearly) the same vector to every row that carries it. Rows are whitened by the spread inside the *other*
classes, which a poisoned class cannot have shaped (spectral signatures, Tran, Li and Madry, NeurIPS 2018; whitening, Hayase
et al., "SPECTRE", ICML 2021, who whiten by a robust estimate of the same rows instead). Directions come from rows brought
to length one (the spatial sign covariance, Visuri, Koivunen and Oja, 2000), so that one odd picture is one row's worth.
Each half of a class is scored along directions found on the other half alone: what only fits noise does not carry over, and
the p-value of the stretch between the rows apart and the others (`_tail`) needs no correction for what was tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._candidates import candidates, unit
from countermark.checks.data._tail import Cut, at, widest

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]
GROUPS = 4
FLOOR = 4.0
CLIP = 2.0
LEAST_ROWS = 8
COMPARED = 1500


@dataclass(frozen=True, slots=True)
class Common:
    """score: (n,) how far each row lies along the direction that suits it best, in robust spreads of honest rows.

    log_p: (classes,) natural logarithm of the p-value of an empty stretch below a group of rows, the larger of the two halves'.
    gap: (classes,) length of that stretch, same unit as score. apart: (n,) rows beyond it.
    """

    score: Doubles
    log_p: Doubles
    gap: Doubles
    apart: NDArray[np.bool_]


def common(x: Floats, label: Rows, classes: int, seed: int, floor: float = FLOOR, bank: Floats | None = None) -> Common:
    """Look for a common addition in every class of at least 8 rows.

    Args:
        x: (n, d) vectors. label: (n,) class codes. seed: of the halves and the rows compared with.
        floor: variance below which differences mean nothing, in the vectors' unit squared.
        bank: (k, d) additions to try besides the directions found in the rows (`_bank`).
    """
    rng = np.random.default_rng([seed, 59])
    found = Common(np.zeros(len(x)), np.zeros(classes), np.zeros(classes), np.zeros(len(x), bool))
    residual, centre = _centred(x, label, classes)
    total = residual.T @ residual
    group = rng.permutation(classes) % min(GROUPS, classes)
    for g in range(int(group.max()) + 1):
        mine = group[label] == g
        if mine.all():
            continue
        own = residual[mine]
        white = _Whitening.of((total - own.T @ own) / (~mine).sum(), floor)
        guessed = np.zeros((0, x.shape[1]), np.float32) if bank is None else unit(white(bank))
        others = rng.permutation(np.flatnonzero(~mine))[:COMPARED]
        null = white(residual[others]), white(centre[label[others]])
        for c in map(int, np.flatnonzero(group == g)):
            rows = np.flatnonzero(label == c)
            if len(rows) >= LEAST_ROWS:
                _look(_Class(white(residual[rows]), white(centre[c][None]), *null, guessed), rows, c, rng, found)
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
    """Whitened residuals of a class and its mean; residuals and means of rows of other classes; guessed additions."""

    rows: Floats
    mean: Floats
    others: Floats
    means: Floats
    guessed: Floats

    def clipped(self) -> Floats:
        """Rows with their class's mean, none longer than twice what is usual."""
        length = np.linalg.norm(self.rows, axis=1, keepdims=True)
        usual = max(np.median(length), np.median(np.linalg.norm(self.others, axis=1)))
        return np.asarray(self.rows * np.minimum(1, CLIP * usual / length) + self.mean, np.float32)

    def along(self, directions: Floats, taught: NDArray[np.bool_]) -> Doubles:
        """(n, k) how far each row lies along each direction from where honest rows lie, in their spreads.

        Up to three quarters of the class may be poisoned: only the lower of the taught rows say where it lies, unless everybody
        else lies higher.
        """
        rows, null = self.clipped() @ directions.T, self.others @ directions.T
        low, quarter = np.quantile(rows[taught], [0.05, 0.25], axis=0)
        spread = (quarter - low) / (1.645 - 0.674)
        everybody = np.median(null + self.means @ directions.T, axis=0)
        wide = 1.4826 * np.median(np.abs(null - np.median(null, axis=0)), axis=0)
        place = np.maximum(quarter + 0.674 * spread, everybody)
        return np.asarray((rows - place) / np.maximum(np.maximum(wide, spread), 1e-6), np.float64)


def _look(known: _Class, rows: Rows, c: int, rng: np.random.Generator, found: Common) -> None:
    half = rng.permutation(len(rows)) % 2
    shown: list[tuple[Cut, NDArray[np.bool_]]] = []
    for teach in (half != 0, half != 1):
        along = known.along(candidates(unit(known.rows[teach]), known.guessed), teach)
        found.score[rows[~teach]] = np.maximum(along[~teach].max(axis=1), 0)
        cuts = [widest(one) for one in along[teach].T]
        best = min(range(len(cuts)), key=lambda one: cuts[one].log_p)
        cut = at(along[~teach, best], cuts[best].at)
        shown.append((cut, along[:, best] > cut.at))
    weaker = max((cut for cut, _ in shown), key=lambda cut: cut.log_p)
    found.log_p[c], found.gap[c] = weaker.log_p, weaker.gap
    found.apart[rows] = min(shown, key=lambda one: one[0].log_p)[1]
