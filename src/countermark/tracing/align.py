"""A suspect's tensors brought back into the original's order, layer by layer, without knowing the network.

What is known of one axis (a layer's outputs) is tried on every other axis of that length (the next layer's inputs), until nothing more
fits. No part of this can accuse anybody: the false-accusation bound holds for whatever comes out, a wrong order only loses marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from countermark.tracing.axes import CLEAR, MOST_NEURONS, NEAR_ONE, Axis, cosines, factors, likeness, match, near_one
from countermark.tracing.code import Floats

AS_IT_STANDS, REARRANGED, UNLIKE, ABSENT = "as it stands", "rearranged", "unlike the original", "not there"
_ENOUGH, _SURE = 0.2, 0.6
_SHARE, _LARGEST = 0.9, 1e30
_MOST_ALIKE, _MOST_KNOWN = 16, 16


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
    """An original's tensor and one of the suspect's that it could be, as (rows, columns, rest); what the suspect calls it.

    The original's shape, as it was.
    """

    original: Floats
    suspect: Floats
    shape: tuple[int, ...]
    source: str

    def aligned(self, rows: Axis, columns: Axis, how: str) -> tuple[Aligned, Axis, Axis]:
        """With orders given: factors are fitted, and taken back; the axes with the factors found."""
        plain = columns.rescaled(0).taken(rows.rescaled(0).taken(self.suspect, 0), 1)
        by_row, by_column = factors(self.original, plain)
        if not (near_one(by_row) and near_one(by_column)):
            plain = plain / (by_row[:, None, None] * by_column[None, :, None])
        seen = (rows.order >= 0)[:, None, None] & (columns.order >= 0)[None, :, None]
        whole = np.broadcast_to(seen, self.original.shape)
        if not (fine := np.isfinite(plain)).all():
            plain, whole = np.where(fine, plain, 0), whole & fine
        return (Aligned(plain.reshape(self.shape), whole.reshape(self.shape), how), Axis(rows.order, by_row, rows.size),
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
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):  # hostile numbers end as unlike
        return _aligned(
            original, {name: _tame(array) for name, array in suspect.items() if array.ndim >= 2 and array.size}
        )


def _aligned(original: Mapping[str, Floats], suspect: Mapping[str, Floats]) -> dict[str, Aligned]:
    found, search = candidates(original, suspect), _Search()
    out: dict[str, Aligned] = {}
    for name, choices in found.items():
        pairs = [_Pair(_cube(original[name]), _cube(array), original[name].shape, source) for source, array in choices]
        if not pairs:
            out[name] = Aligned(np.zeros_like(original[name]), np.zeros(original[name].shape, np.bool_), ABSENT)
            continue
        standing = next((pair for pair in pairs if pair.source not in search.taken and pair.stands()), None)
        if standing:
            search.taken.add(standing.source)
            same = Axis.same(len(standing.original)), Axis.same(standing.original.shape[1])
            out[name], *_ = standing.aligned(*same, AS_IT_STANDS)
        else:
            search.pending[name] = pairs
    out.update(search.run())
    return {name: out[name] for name in original}


def _tame(array: Floats) -> Floats:
    """With zeros for what is no number, or so large that no arithmetic is left for it."""
    fine = np.abs(array) < _LARGEST
    return array if fine.all() else np.where(fine, array, 0).astype(np.float32)


def candidates(original: Mapping[str, Floats], suspect: Mapping[str, Floats]) -> dict[str, list[tuple[str, Floats]]]:
    """Tensors of the suspect that could be each of the original's: that of its name, then those of its shape, turned ones too.

    Names can be exchanged as easily as neurons, so that they only say where to look first.
    """
    by_shape: dict[tuple[int, ...], list[tuple[str, Floats]]] = {}
    for name, array in suspect.items():
        for turned in (array, array.T) if array.ndim == 2 else (array,):
            by_shape.setdefault(turned.shape, []).append((name, turned))
    out: dict[str, list[tuple[str, Floats]]] = {}
    for name, array in original.items():
        own = suspect.get(name)
        first = [(name, own)] if own is not None and own.ndim == array.ndim and array.size else []
        others = (
            [one for one in by_shape.get(array.shape, []) if one[0] != name or one[1] is not own] if array.size else []
        )
        out[name] = first + others[:_MOST_ALIKE]
    return out


def _cube(array: Floats) -> Floats:
    return array.reshape(array.shape[0], array.shape[1], -1)


def _turned(cube: Floats) -> Floats:
    return cube.transpose(1, 0, 2)


class _Search:
    """Tensors whose neurons lie elsewhere, and the orders known so far.

    Attributes:
        pending: name to what it could be, the likeliest first. taken: the suspect's tensors that were found to be some other.
    """

    def __init__(self) -> None:
        self.pending: dict[str, list[_Pair]] = {}
        self.taken: set[str] = set()
        self._known: list[Axis] = []
        self._fits: dict[tuple[int, ...], float] = {}

    def run(self) -> dict[str, Aligned]:
        """Find them one after the other, the surest first; what fits nothing is taken as it stands, where it can be."""
        out: dict[str, Aligned] = {}
        while self.pending and (best := self._best()):
            name, pair, side, known, label = best
            out[name], *axes = pair.aligned(*_matched(pair, side, known), REARRANGED)
            # What was useful last stands first: the stream of a transformer, and the layer before in a chain.
            self._known.sort(key=lambda axis: id(axis) != label[0])
            self._known = [*(axis for axis in axes if not self._knows(axis)), *self._known]
            self.taken.add(pair.source)
            del self.pending[name]
        for name, pairs in self.pending.items():
            out[name] = _unlike(pairs[0])
        return out

    def _best(self) -> tuple[str, _Pair, int, Axis, tuple[int, ...]] | None:
        most, best = _ENOUGH, None
        for name, pairs in self.pending.items():
            for pair in (one for one in pairs if one.source not in self.taken):
                for side, known, label in self._candidates(pair):
                    fit = self._fit(pair, side, known, label)
                    if fit >= most:
                        most, best = fit, (name, pair, side, known, label)
                    if best and fit >= _SURE:
                        return best
        return best

    def _candidates(self, pair: _Pair) -> Iterator[tuple[int, Axis, tuple[int, ...]]]:
        """Side, order of it that could bring the pair together, and what tells that order from others."""
        for side in (1, 0):
            here, there = pair.original.shape[side], pair.suspect.shape[side]
            if max(pair.original.shape[1 - side], pair.suspect.shape[1 - side]) > MOST_NEURONS:
                continue
            if here == there:
                yield side, Axis.same(here), (0,)
            fitting = (axis for axis in self._known if axis.fitted(here, there))
            for axis in islice(fitting, _MOST_KNOWN):  # kept as long as this search, so that its id is its own
                for nesting, fitted in enumerate(axis.fitted(here, there)):
                    yield from ((side, fitted.rescaled(power), (id(axis), nesting, power)) for power in (-1, 0, 1))

    def _fit(self, pair: _Pair, side: int, known: Axis, label: tuple[int, ...]) -> float:
        asked = (id(pair), side, *label)
        if asked not in self._fits:
            self._fits[asked] = likeness(*_facing(pair, side, known))
        return self._fits[asked]

    def _knows(self, axis: Axis) -> bool:
        return any(
            axis.size == one.size and np.array_equal(axis.order, one.order)
            and np.allclose(axis.scale, one.scale, rtol=NEAR_ONE)
            for one in self._known
        )  # fmt: skip


def _matched(pair: _Pair, side: int, known: Axis) -> tuple[Axis, Axis]:
    """Orders of rows and columns, one of which is known."""
    other = match(*_facing(pair, side, known))
    return (other, known) if side == 1 else (known, other)


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
