"""Spread spectrum in weights: each chip of a code word stands, with secret signs, in many weights of every layer.

Source: Cox, Kilian, Leighton and Shamoon, "Secure spread spectrum watermarking for multimedia", 1997; in weights as in DeepMarks
(arXiv 1804.03648). Weights that are exactly zero stay so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from countermark.tracing.code import CHIPS, NODES, Floats
from countermark.tracing.key import named, stream

Seen = NDArray[np.float64]
POWER = float(np.mean(4 * (NODES / 256.0) * (1 - NODES / 256.0)))
"""Mean square of a chip of `Code.word`."""
STRENGTH = 0.03
"""Root mean square of a mark over the spread of the layer that it stands in, as chosen on development seeds."""
LEAST_TENSOR, LEAST_MODEL = 1024, 2 * CHIPS
_SAMPLE = 1 << 16
_QUIETEST, _DISTINCT = 1e-6, 64


def carries(weights: NDArray[np.generic]) -> bool:
    """Whether an array looks like a weight matrix or kernel large enough for a mark.

    At least two axes, 1,024 numbers, all finite, and 64 different ones: a table of masks or of zeros is no such thing.
    """
    if weights.ndim < 2 or weights.size < LEAST_TENSOR:
        return False
    sample = weights.reshape(-1)[:: max(1, weights.size // 4096)]
    return bool(np.isfinite(weights).all() and len(np.unique(sample)) >= _DISTINCT)


def layer_spread(weights: Floats) -> float:
    """Root mean square of the weights that are not zero, around their mean."""
    some = weights.reshape(-1)
    if not some.all():
        some = some[some != 0]
    return float(some.std()) if some.size else 0.0


class Spreader:
    """Where chips stand in tensors, and with which signs, under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _signs(self, name: str, shape: tuple[int, ...]) -> tuple[Floats, int]:
        """Signs of all weights of a tensor, flat, and the chip at which the tensor begins."""
        count = int(np.prod(shape))
        drawn = stream(named(self._key, name.encode(), repr(list(shape)).encode()), 2 + (count + 7) // 8)
        bits = np.unpackbits(np.frombuffer(drawn, np.uint8)[2:], count=count)
        return bits.astype(np.float32) * 2 - 1, int.from_bytes(drawn[:2], "big") % CHIPS

    def mark(self, name: str, weights: Floats, word: Floats, strength: float = STRENGTH) -> Floats:
        """The tensor with a code word added.

        Args:
            weights: of any shape. word: (CHIPS,) as `Code.word`. strength: root mean square over the layer's spread.
        """
        signs, first = self._signs(name, weights.shape)
        height = np.float32(strength * layer_spread(weights) / POWER**0.5)
        marks = np.resize(np.roll(word, -first), weights.size) * signs * height
        flat = weights.reshape(-1)
        return np.where(flat != 0, flat + marks, flat).reshape(weights.shape)

    def read(self, name: str, original: Floats, found: Floats, seen: NDArray[np.bool_], into: Reading) -> None:
        """Add what one tensor tells of the chips.

        Args:
            original: the tensor without mark. found: the suspect's, aligned to it. seen: where `found` counts.
        """
        height = layer_spread(original)
        if height == 0.0:
            return
        signs, first = self._signs(name, original.shape)
        change = (found - original).reshape(-1) / np.float32(height)
        flat, counts = found.reshape(-1), seen.reshape(-1)
        zero = flat == 0
        groups = [counts] if not zero.any() else [counts & ~zero, counts & zero]
        for group in groups:  # what was pruned has another noise than what was not
            into.add(change, signs, group, first)


@dataclass(slots=True)
class Reading:
    """What was read of each chip so far, in units of the layers' spreads, weighted by how quiet each layer is.

    Attributes:
        total: weighted sums, (CHIPS,). weight: sums of weights, (CHIPS,). noise: by call of `add`, the spread of the change.
    """

    total: Seen = field(default_factory=lambda: np.zeros(CHIPS))
    weight: Seen = field(default_factory=lambda: np.zeros(CHIPS))
    noise: list[float] = field(default_factory=list)

    def add(self, change: Floats, signs: Floats, group: NDArray[np.bool_], first: int) -> None:
        """Take in the changes of one group of weights; far ones are cut to three robust spreads of the group."""
        step = max(1, change.size // _SAMPLE)
        sample = change[::step][group[::step]]
        if not sample.size or not np.isfinite(sample).all():
            return
        # Robust where most changed little and some a lot; where most did not change at all it would cut all marks away.
        far = np.float32(3 * max(1.4826 * float(np.median(np.abs(sample))), 0.1 * float(sample.std()), 1e-6))
        whole = bool(group.all())
        cut = np.clip(change, -far, far) if whole else np.where(group, np.clip(change, -far, far), np.float32(0))
        cut *= signs
        sums, counts = (
            _by_chip(cut, first),
            _even(cut.size, first) if whole else _by_chip(group.astype(np.float32), first),
        )
        weight = 1 / max(_within(cut, sums, counts), _QUIETEST)
        self.noise.append(float(np.sqrt(np.mean(np.square(np.clip(sample, -far, far))))))
        self.total += weight * sums
        self.weight += weight * counts

    def chips(self, bias: Seen, strength: float = STRENGTH) -> Seen:
        """Weighted mean of each chip, (CHIPS,), of unit length; all zeros where nothing was read.

        Chips are cut to what a mark of that strength can be, and the noise beside it: who goes beyond what any copy had gains nothing.
        """
        mean = np.divide(self.total, self.weight, out=np.zeros(CHIPS), where=self.weight > 0)
        noise = 2 / np.sqrt(np.where(self.weight > 0, self.weight, np.inf))
        height = 2 * strength / POWER**0.5
        mean = np.clip(mean, -height * bias - noise, height * (1 - bias) + noise)
        length = float(np.linalg.norm(mean))
        return mean / length if length > 0 else mean


def _within(values: Floats, sums: Seen, counts: Seen) -> float:
    """Mean square of what differs among the weights of one chip: noise, for a mark is the same in all of them.

    Where chips have too few weights for that, the mean square of everything.
    """
    power, number = float(np.dot(values, values)), float(counts.sum())
    left = number - float((counts > 0).sum())
    if left * 4 < number:
        return power / max(1.0, number)
    between = float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    return max(0.0, power - between) / left


def _even(count: int, first: int) -> Seen:
    """How many of so many weights stand for each chip."""
    out = np.full(CHIPS, float(count // CHIPS))
    out[: count % CHIPS] += 1
    return np.roll(out, first)


def _by_chip(values: Floats, first: int) -> Seen:
    """Sums of the values of each chip, where value i belongs to chip (first + i) mod CHIPS."""
    padded = np.zeros(-(-values.size // CHIPS) * CHIPS, np.float32)
    padded[: values.size] = values
    return np.roll(padded.reshape(-1, CHIPS).sum(axis=0, dtype=np.float64), first)
