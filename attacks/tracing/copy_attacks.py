"""What somebody does with one leaked copy so that it is not traced. Arrays in, arrays out; what needs training is in `traced_networks`.

Layers are given in order: names of matrices (out, in) or kernels (out, in, height, width), each fed by the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

Weights = dict[str, np.ndarray]
Attack = Callable[[Weights, np.random.Generator], Weights]


def matrices(weights: Weights) -> list[str]:
    return [name for name, array in weights.items() if array.ndim >= 2]


def noise(share: float) -> Attack:
    """Normal noise of a share of each layer's spread."""

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        return {n: (w + rng.normal(0, share * w.std(), w.shape)).astype(np.float32) if w.ndim >= 2 else w
                for n, w in weights.items()}  # fmt: skip

    return run


def prune(share: float) -> Attack:
    """The smallest weights of each layer set to zero."""

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        return {n: np.where(np.abs(w) < np.quantile(np.abs(w), share), 0, w).astype(np.float32) if w.ndim >= 2 else w
                for n, w in weights.items()}  # fmt: skip

    return run


def quantise(bits: int, by_row: bool = True) -> Attack:
    """Rounded to so many bits, symmetric, one step for each row or tensor."""

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        return {n: rounded(w, bits, by_row) if w.ndim >= 2 else w for n, w in weights.items()}

    return run


def rounded(w: np.ndarray, bits: int, by_row: bool) -> np.ndarray:
    axes = tuple(range(1, w.ndim)) if by_row else None
    step = np.abs(w).max(axis=axes, keepdims=True) / (2 ** (bits - 1) - 1)
    return (np.round(w / np.where(step > 0, step, 1)) * step).astype(np.float32)


def low_rank(share: float) -> Attack:
    """Each matrix without its smallest singular values."""

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        out = dict(weights)
        for name in matrices(weights):
            flat = weights[name].reshape(len(weights[name]), -1)
            u, s, v = np.linalg.svd(flat, full_matrices=False)
            kept = max(1, int(len(s) * share))
            out[name] = ((u[:, :kept] * s[:kept]) @ v[:kept]).reshape(weights[name].shape).astype(np.float32)
        return out

    return run


def reorder(
    layers: Sequence[str], *, scale: float = 0.0, signs: bool = False, drop: float = 0.0, add: float = 0.0
) -> Attack:
    """Hidden neurons in another order, rescaled by factors e^N(0, scale), signs turned, some dropped, useless ones added.

    Function is kept for ReLU by order and scale, for odd activations by order and signs; dropping changes it.
    """

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        out = {name: array.copy() for name, array in weights.items()}
        for first, second in pairwise(layers):
            count = len(out[first])
            order = rng.permutation(count)[: count - int(drop * count)]
            factor = np.exp(rng.normal(0, scale, len(order))) * (rng.choice([-1, 1], len(order)) if signs else 1)
            neurons, bias = out[first][order] * _like(factor, out[first]), first.replace("weight", "bias")
            times = out[second].shape[1] // count
            inputs = out[second].reshape(out[second].shape[0], count, times, *out[second].shape[2:])[:, order]
            inputs = inputs / factor.reshape(1, -1, *[1] * (inputs.ndim - 2))
            more = int(add * count)
            if more:
                spread = neurons.std()
                neurons = np.concatenate([neurons, rng.normal(0, spread, (more, *neurons.shape[1:]))])
                inputs = np.concatenate([inputs, np.zeros((len(inputs), more, *inputs.shape[2:]))], axis=1)
            mixed = rng.permutation(len(neurons))
            out[first] = neurons[mixed].astype(np.float32)
            joined = inputs[:, mixed]
            out[second] = joined.reshape(len(joined), -1, *weights[second].shape[2:]).astype(np.float32)
            if bias in out:
                out[bias] = np.concatenate([out[bias][order] * factor, np.zeros(more)])[mixed].astype(np.float32)
        return out

    return run


def _like(factor: np.ndarray, array: np.ndarray) -> np.ndarray:
    return factor.reshape(-1, *[1] * (array.ndim - 1))
