"""A suspect's tensors brought back into the original's order, layer by layer, without knowing the network.

What is known of one axis (a layer's outputs) is tried on every other axis of that length (the next layer's inputs), until nothing more
fits. No part of this can accuse anybody: the false-accusation bound holds for whatever comes out, a wrong order only loses marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.tracing.axes import CLEAR, MOST_NEURONS, NEAR_ONE, Axis, cosines, factors, likeness, match, near_one
from countermark.tracing.code import Floats

AS_IT_STANDS, REARRANGED, UNLIKE, ABSENT = "as it stands", "rearranged", "unlike the original", "not there"
_ENOUGH, _SURE = 0.2, 0.6
_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Aligned:
    """One tensor of the suspect in the original's place.

    Attributes:
        values: float32 in the original's shape. seen: which of them count. how: one of this module's words.
    """

    values: Floats
    seen: NDArray[np.bool_]
    how: str


@dataclass(slots=True)
class _Pair:
    """An original's tensor and the suspect's, as (rows, columns, rest)."""

    original: Floats
    suspect: Floats
    shape: tuple[int, ...]

    def aligned(self, rows: Axis, columns: Axis, how: str) -> tuple[Aligned, Axis, Axis]:
        """With orders given: factors are fitted, and taken back; the axes with the factors found."""
        plain = columns.rescaled(0).taken(rows.rescaled(0).taken(self.suspect, 0), 1)
        by_row, by_column = factors(self.original, plain)
        if not (near_one(by_row) and near_one(by_column)):
            plain = plain / (by_row[:, None, None] * by_column[None, :, None])
        seen = (rows.order >= 0)[:, None, None] & (columns.order >= 0)[None, :, None]
        whole = np.broadcast_to(seen, self.original.shape).reshape(self.shape)
        return (Aligned(plain.reshape(self.shape), whole, how), Axis(rows.order, by_row, rows.size),
                Axis(columns.order, by_column, columns.size))  # fmt: skip

    def stands(self) -> bool:
        """Whether nearly every row and column lies in its place."""
        if self.original.shape != self.suspect.shape:
            return False
        both = ((c, d) for c, d in ((self.original, self.suspect), (_turned(self.original), _turned(self.suspect))))
        return all(
            float(np.mean(np.abs(cosines(c.reshape(len(c), -1), d.reshape(len(d), -1))) >= CLEAR)) >= _SHARE
            for c, d in both
        )


def align(original: Mapping[str, Floats], suspect: Mapping[str, Floats]) -> dict[str, Aligned]:
    """Every tensor of the original, found in the suspect.

    Args:
        original: arrays of two and more axes, by name. suspect: all arrays of the copy, by its own names.
    """
    out: dict[str, Aligned] = {}
    search = _Search()
    for name, found in paired(original, suspect).items():
        if found is None:
            out[name] = Aligned(np.zeros_like(original[name]), np.zeros(original[name].shape, np.bool_), ABSENT)
            continue
        pair = _Pair(_cube(original[name]), _cube(found), original[name].shape)
        if pair.stands():
            out[name], *_ = pair.aligned(Axis.same(len(pair.original)), Axis.same(pair.original.shape[1]), AS_IT_STANDS)
        else:
            search.pending[name] = pair
    out.update(search.run())
    return {name: out[name] for name in original}


def paired(original: Mapping[str, Floats], suspect: Mapping[str, Floats]) -> dict[str, Floats | None]:
    """The suspect's tensor for each of the original's: by name, else by content, else by shape and order."""
    out: dict[str, Floats | None] = dict.fromkeys(original)
    left = {name: array for name, array in suspect.items() if array.ndim >= 2}
    for name in original:
        if name in left and left[name].ndim == original[name].ndim:
            out[name] = left.pop(name)
    lost = [name for name in original if out[name] is None]
    for fits in (_same_content, _same_shape):
        for name in [n for n in lost if out[n] is None]:
            for other, array in left.items():
                turned = next((a for a in _turnings(array) if fits(original[name], a)), None)
                if turned is not None:
                    out[name] = turned
                    del left[other]
                    break
    return out


def _turnings(array: Floats) -> Iterator[Floats]:
    yield array
    if array.ndim == 2:
        yield np.ascontiguousarray(array.T)


def _same_content(left: Floats, right: Floats) -> bool:
    return left.shape == right.shape and float(cosines(left.reshape(1, -1), right.reshape(1, -1))[0]) >= CLEAR


def _same_shape(left: Floats, right: Floats) -> bool:
    return left.shape == right.shape


def _cube(array: Floats) -> Floats:
    return array.reshape(array.shape[0], array.shape[1], -1)


def _turned(cube: Floats) -> Floats:
    return cube.transpose(1, 0, 2)


class _Search:
    """Tensors whose neurons lie elsewhere, and the orders known so far."""

    def __init__(self) -> None:
        self.pending: dict[str, _Pair] = {}
        self._known: list[Axis] = []

    def run(self) -> dict[str, Aligned]:
        """Find them one after the other, the surest first; what fits nothing is taken as it stands, where it can be."""
        out: dict[str, Aligned] = {}
        while self.pending:
            best = self._best()
            if best is None:
                break
            name, pair, rows, columns = best
            out[name], *axes = pair.aligned(rows, columns, REARRANGED)
            self._known += (axis for axis in axes if not self._knows(axis))
            del self.pending[name]
        for name, pair in self.pending.items():
            out[name] = _unlike(pair)
        return out

    def _best(self) -> tuple[str, _Pair, Axis, Axis] | None:
        tried: list[tuple[float, str, int, Axis]] = []
        for name, pair in self.pending.items():
            for side, known in self._candidates(pair):
                fit = self._fit(pair, side, known)
                tried.append((fit, name, side, known))
                if fit >= _SURE:
                    return self._matched(name, side, known)
        fit, name, side, known = max(tried, key=lambda one: one[0], default=(0.0, "", 0, Axis.same(0)))
        return self._matched(name, side, known) if fit >= _ENOUGH else None

    def _candidates(self, pair: _Pair) -> Iterator[tuple[int, Axis]]:
        for side in (1, 0):
            here, there = pair.original.shape[side], pair.suspect.shape[side]
            if pair.original.shape[1 - side] > MOST_NEURONS or pair.suspect.shape[1 - side] > MOST_NEURONS:
                continue
            if here == there:
                yield side, Axis.same(here)
            for axis in self._known:
                for fitted in axis.fitted(here, there):
                    yield from ((side, fitted.rescaled(power)) for power in (-1, 0, 1))

    def _fit(self, pair: _Pair, side: int, known: Axis) -> float:
        return likeness(*_facing(pair, side, known))

    def _matched(self, name: str, side: int, known: Axis) -> tuple[str, _Pair, Axis, Axis]:
        pair = self.pending[name]
        other = match(*_facing(pair, side, known))
        return (name, pair, other, known) if side == 1 else (name, pair, known, other)

    def _knows(self, axis: Axis) -> bool:
        return any(
            axis.size == one.size and np.array_equal(axis.order, one.order)
            and np.allclose(axis.scale, one.scale, rtol=NEAR_ONE)
            for one in self._known
        )  # fmt: skip


def _facing(pair: _Pair, side: int, known: Axis) -> tuple[Floats, Floats]:
    """Both tensors with the unknown axis as rows, the suspect's known axis put in order."""
    suspect = known.taken(pair.suspect, side)
    original = pair.original * (known.order >= 0).astype(np.float32).reshape((1, -1, 1) if side == 1 else (-1, 1, 1))
    if side == 0:
        original, suspect = _turned(original), _turned(suspect)
    return original.reshape(len(original), -1), suspect.reshape(len(suspect), -1)


def _unlike(pair: _Pair) -> Aligned:
    """As it stands where it has the shape; the reading weighs it by how much it differs."""
    if pair.original.shape != pair.suspect.shape:
        return Aligned(np.zeros(pair.shape, np.float32), np.zeros(pair.shape, np.bool_), UNLIKE)
    return Aligned(pair.suspect.reshape(pair.shape), np.ones(pair.shape, np.bool_), UNLIKE)
