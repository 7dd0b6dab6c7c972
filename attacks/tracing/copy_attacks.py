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
            if bias != first and bias in out:
                out[bias] = np.concatenate([out[bias][order] * factor, np.zeros(more)])[mixed].astype(np.float32)
        return out

    return run


def _like(factor: np.ndarray, array: np.ndarray) -> np.ndarray:
    return factor.reshape(-1, *[1] * (array.ndim - 1))


def reorder_transformer(blocks: Sequence[str], heads: int, *, mix: bool = False) -> Attack:
    """A transformer of torch's encoder layers that computes the same: the residual stream, hidden neurons, heads and what is in them permuted.

    Args:
        blocks: prefixes of the layers, "blocks.layers.0.". mix: turn queries and keys, values and outputs by random rotations of each head,
            which no order can bring back.
    """

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        out = {name: array.copy() for name, array in weights.items()}
        stream = rng.permutation(out["embed.weight"].shape[0])
        for name in ("embed.weight", "embed.bias"):
            out[name] = out[name][stream]
        for name in ("place", "head.weight"):
            out[name] = out[name][:, stream]
        for block in blocks:
            _within(out, block, heads, rng, mix)
            for name in (n for n in out if n.startswith(block)):
                reads = name.endswith(("in_proj_weight", "linear1.weight"))
                if reads:
                    out[name] = out[name][:, stream]
                elif (
                    name.endswith(("out_proj.weight", "out_proj.bias", "linear2.weight", "linear2.bias"))
                    or ".norm" in name
                ):
                    out[name] = out[name][stream]
        return {name: np.ascontiguousarray(array) for name, array in out.items()}

    return run


def _within(out: Weights, block: str, heads: int, rng: np.random.Generator, mix: bool) -> None:
    hidden = rng.permutation(len(out[f"{block}linear1.bias"]))
    out[f"{block}linear1.weight"] = out[f"{block}linear1.weight"][hidden]
    out[f"{block}linear1.bias"] = out[f"{block}linear1.bias"][hidden]
    out[f"{block}linear2.weight"] = out[f"{block}linear2.weight"][:, hidden]
    weight, bias = out[f"{block}self_attn.in_proj_weight"], out[f"{block}self_attn.in_proj_bias"]
    width, order = len(bias) // 3, rng.permutation(heads)
    size = width // heads
    turns = [[_turn(rng, size, mix) for _ in range(heads)] for _ in range(2)]
    whole = [_joined(turn, order, size) for turn in turns]
    for part, turn in ((0, whole[0]), (1, whole[0]), (2, whole[1])):
        rows = slice(part * width, (part + 1) * width)
        weight[rows], bias[rows] = turn @ weight[rows], turn @ bias[rows]
    out[f"{block}self_attn.out_proj.weight"] = (out[f"{block}self_attn.out_proj.weight"] @ whole[1].T).astype(
        np.float32
    )


def _turn(rng: np.random.Generator, size: int, mix: bool) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(size, size)))[0] if mix else np.eye(size)[rng.permutation(size)]


def _joined(turns: list[np.ndarray], order: np.ndarray, size: int) -> np.ndarray:
    whole = np.zeros((len(order) * size, len(order) * size))
    for at, head in enumerate(order):
        whole[at * size : (at + 1) * size, head * size : (head + 1) * size] = turns[head]
    return whole


def marked_again(share: float) -> Attack:
    """A mark of the thief's own, under a key of theirs, over the owner's."""
    from countermark.tracing.key import FingerprintKey
    from countermark.tracing.trace import Fingerprints

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        prints = Fingerprints(FingerprintKey(rng.bytes(32)), rng.bytes(32), share)
        return weights | dict(prints.mark("nobody", {n: w for n, w in weights.items() if w.ndim >= 2}))

    return run


def doubled(layers: Sequence[str]) -> Attack:
    """Every hidden neuron twice, each copy with a part of the way out: the same function, twice as wide."""

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        out = {name: array.copy() for name, array in weights.items()}
        for first, second in pairwise(layers):
            count, bias = len(out[first]), first.replace("weight", "bias")
            part = rng.uniform(0.2, 0.8, count).astype(np.float32)
            mixed = rng.permutation(2 * count)
            out[first], out[bias] = np.tile(out[first], (2, 1))[mixed], np.tile(out[bias], 2)[mixed]
            out[second] = np.concatenate([out[second] * part, out[second] * (1 - part)], axis=1)[:, mixed]
        return out

    return run


def shrunk(share: float) -> Attack:
    """Every weight drawn towards its row's mean."""

    def run(weights: Weights, rng: np.random.Generator) -> Weights:
        return {n: ((1 - share) * w + share * w.mean(axis=1, keepdims=True)).astype(np.float32) if w.ndim >= 2 else w
                for n, w in weights.items()}  # fmt: skip

    return run
