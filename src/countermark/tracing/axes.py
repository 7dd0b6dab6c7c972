"""Neurons in another order, rescaled or with turned signs: the axes of a suspect's tensors, matched to the original's.

A network computes the same with its hidden neurons permuted, each scaled by a factor that the next layer takes back (where the
activation lets it), or with two signs turned. arXiv 2303.09732 breaks white-box watermarks that way. The owner has the original, so
that the order can be found again: rows by the angle between them (Hungarian method, as "Git Re-Basin", arXiv 2209.04836).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from countermark.tracing.code import Floats

Order = NDArray[np.int64]
CLEAR = 0.5
"""Cosine from which two neurons are taken for the same."""
MOST_NEURONS = 8192
NEAR_ONE = 0.1
_SMALL = 1e-12
_PROBE = 64


@dataclass(frozen=True, slots=True)
class Axis:
    """How the original's neurons along one axis lie in the suspect's.

    Attributes:
        order: of each original neuron, the suspect's index, -1 where it is gone; (n,). scale: suspect over original, (n,).
        size: neurons of the suspect.
    """

    order: Order
    scale: Floats
    size: int

    @classmethod
    def same(cls, size: int) -> Axis:
        """As it was."""
        return cls(np.arange(size), np.ones(size, np.float32), size)

    def taken(self, cube: Floats, axis: int) -> Floats:
        """A suspect's array in the original's order and scale along one axis; zeros where neurons are gone."""
        if len(self.order) == self.size and (self.scale == 1).all() and (self.order == np.arange(self.size)).all():
            return cube
        shape = [1] * cube.ndim
        shape[axis] = -1
        factor = np.where(self.order >= 0, 1 / self.scale, 0).astype(np.float32)
        return np.take(cube, np.maximum(self.order, 0), axis=axis) * factor.reshape(shape)

    def rescaled(self, power: int) -> Axis:
        """With each factor to a power: -1 is what the next layer does to take a factor back, 0 leaves order alone."""
        return Axis(self.order, (self.scale**power).astype(np.float32), self.size)

    def fitted(self, original: int, suspect: int) -> list[Axis]:
        """This order for axes of another length: neurons that became several inputs (flattened pictures), in either nesting."""
        have = len(self.order)
        if (original, suspect) == (have, self.size):
            return [self]
        times = original // have
        if times < 2 or original != have * times or suspect != self.size * times:
            return []
        each, gone = np.arange(times), self.order < 0
        outer = np.where(gone[:, None], -1, self.order[:, None] * times + each)
        inner = np.where(gone[None, :], -1, self.order[None, :] + each[:, None] * self.size)
        return [Axis(outer.reshape(-1), np.repeat(self.scale, times), suspect),
                Axis(inner.reshape(-1), np.tile(self.scale, times), suspect)]  # fmt: skip


def cosines(left: Floats, right: Floats) -> Floats:
    """Cosine of each row of one with the row of the same number of the other, (n,)."""
    product = np.einsum("ij,ij->i", left, right)
    lengths = np.sqrt(np.einsum("ij,ij->i", left, left)) * np.sqrt(np.einsum("ij,ij->i", right, right))
    if (
        not np.isfinite(product).all() or not (lengths > _SMALL).all()
    ):  # factors so far from one that squares leave float32
        left, right = _level(left), _level(right)
        product = np.einsum("ij,ij->i", left, right)
        lengths = np.sqrt(np.einsum("ij,ij->i", left, left)) * np.sqrt(np.einsum("ij,ij->i", right, right))
    out: Floats = np.divide(product, lengths, out=np.zeros_like(product), where=lengths > 0)
    return out


def _level(rows: Floats) -> Floats:
    """Each row with one as its largest number."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    out: Floats = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    return out


def likeness(original: Floats, suspect: Floats, seed: int = 0) -> float:
    """How much better rows of the original are found among the suspect's than by chance: 1 all, 0 none.

    Chance is what the same rows with their entries shuffled find.
    """
    rng = np.random.default_rng(seed)
    some = original[rng.permutation(len(original))[:_PROBE]]
    shuffled = rng.permuted(some, axis=1)
    others = _unit(suspect)
    best = float(np.median(np.abs(_unit(some) @ others.T).max(axis=1)))
    chance = float(np.median(np.abs(_unit(shuffled) @ others.T).max(axis=1)))
    return max(0.0, (best - chance) / (1 - chance)) if chance < 1 else 0.0


def match(original: Floats, suspect: Floats) -> Axis:
    """The order that makes the sum of absolute cosines largest; neurons that fit nothing are gone.

    Args:
        original, suspect: rows are neurons, (n, k) and (m, k).
    """
    found = _unit(original) @ _unit(suspect).T
    rows, columns = linear_sum_assignment(np.abs(found), maximize=True)
    clear = np.abs(found[rows, columns]) >= min(CLEAR, _chance(original.shape[1], len(suspect)))
    order = np.full(len(original), -1, np.int64)
    order[rows[clear]] = columns[clear]
    scale = np.ones(len(original), np.float32)
    kept = order >= 0
    scale[kept] = _factor(original[kept], suspect[order[kept]])
    return Axis(order, scale, len(suspect))


def _unit(rows: Floats) -> Floats:
    rows = _level(rows)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _chance(width: int, candidates: int) -> float:
    """Cosine that the best of so many unrelated rows reaches."""
    return float(np.sqrt(2 * np.log(max(2, candidates)) / max(1, width)))


def _factor(original: Floats, suspect: Floats) -> Floats:
    """Least squares factor of each row, over what is not zero in the suspect; 1 where there is none."""
    kept = np.where(suspect != 0, original, 0)
    power = np.einsum("ij,ij->i", kept, kept)
    factor = np.divide(np.einsum("ij,ij->i", kept, suspect), power, out=np.ones_like(power), where=power > 0)
    return np.where(np.isfinite(factor) & (factor != 0), factor, 1).astype(np.float32)


def factors(original: Floats, suspect: Floats, rounds: int = 4) -> tuple[Floats, Floats]:
    """Factors of rows (n,) and columns (m,) that make `original` most like `suspect`: alternating least squares.

    Args:
        original, suspect: (n, m, k), in one order.
    """
    if all(near_one(_along(original, suspect, axis)) for axis in "ij"):
        return np.ones(len(original), np.float32), np.ones(original.shape[1], np.float32)
    rows, columns = np.ones(len(original), np.float32), np.ones(original.shape[1], np.float32)
    by_column = original.transpose(1, 0, 2), suspect.transpose(1, 0, 2)
    for _ in range(rounds):
        rows = _factor(_flat(original * columns[None, :, None]), _flat(suspect))
        columns = _factor(_flat(by_column[0] * rows[None, :, None]), _flat(by_column[1]))
    middle = np.float32(np.median(np.abs(columns)))
    return rows * middle, columns / middle


def _along(original: Floats, suspect: Floats, axis: str) -> Floats:
    """Factor of each row ("i") or column ("j"), zeros and other factors left aside: exact where nothing was rescaled, the usual case."""
    power = np.einsum(f"ijk,ijk->{axis}", original, original)
    product = np.einsum(f"ijk,ijk->{axis}", original, suspect)
    out: Floats = np.divide(product, power, out=np.ones_like(power), where=power > 0)
    return out


def near_one(factor: Floats) -> bool:
    """Whether nine factors of ten, and the middle one, differ from one by less than a tenth."""
    low, middle, high = np.percentile(factor, [5, 50, 95])
    return bool(high - low < NEAR_ONE and abs(middle - 1) < NEAR_ONE)


def _flat(cube: Floats) -> Floats:
    return cube.reshape(len(cube), -1)
