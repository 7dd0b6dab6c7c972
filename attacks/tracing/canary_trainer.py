"""A trainer who knows that canaries are there and wants a model that does not tell.

Nothing in a delivery distinguishes a canary: every record is genuine and unchanged, so that there is nothing to filter; that records are hard is no
mark, as every set has such. What is left is to learn less of each record (the first dictionary), or to tell less of each answer (the second). Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional
from traced_networks import Weights, distil, train

from countermark.tracing.hardness import hardness

On = tuple[torch.Tensor, torch.Tensor]
Trainer = Callable[[str, On, On, int, int], Weights]
"""Kind, training data, other data of the trainer's own, seed, epochs."""


def blurred(pictures: torch.Tensor) -> torch.Tensor:
    """Mean of 3 x 3."""
    return functional.avg_pool2d(pictures[:, None], 3, stride=1, padding=1)[:, 0]


def shifted(pictures: torch.Tensor) -> torch.Tensor:
    """Turned left to right by a coin and moved by up to two pixels, each picture in each epoch anew."""
    flip = torch.rand(len(pictures)) < 0.5
    out = torch.where(flip[:, None, None], pictures.flip(2), pictures)
    moves = torch.randint(-2, 3, (len(out), 2))
    return torch.stack([one.roll((int(a), int(b)), (0, 1)) for one, (a, b) in zip(out, moves, strict=True)])


def noisy(pictures: torch.Tensor) -> torch.Tensor:
    return pictures + 0.2 * torch.randn_like(pictures)


def distinct(on: On, least: float = 0.002) -> On:
    """Without near copies: of pictures whose mean squared difference is below `least`, the first alone."""
    flat = on[0].reshape(len(on[0]), -1)
    keep = torch.ones(len(flat), dtype=torch.bool)
    for at in range(0, len(flat), 500):
        near = torch.cdist(flat[at : at + 500], flat) ** 2 / flat.shape[1] < least
        near &= torch.arange(len(flat))[None, :] < torch.arange(at, min(at + 500, len(flat)))[:, None]
        keep[at : at + 500] &= ~near.any(dim=1)
    return on[0][keep], on[1][keep]


def easy(on: On) -> On:
    """Without the tenth of the records that owners would choose."""
    hard = hardness((on[0][:, ::2, ::2].numpy() * 255).astype(np.uint8), on[1].numpy())
    keep = torch.tensor(hard < np.quantile(hard, 0.9))
    return on[0][keep], on[1][keep]


def _plain(kind: str, on: On, other: On, seed: int, epochs: int) -> Weights:
    return train(kind, on, seed, epochs)


def _tuned(kind: str, on: On, other: On, seed: int, epochs: int) -> Weights:
    return train(kind, other, seed, epochs, start=train(kind, on, seed, epochs))


def _distilled(kind: str, on: On, other: On, seed: int, epochs: int) -> Weights:
    return distil(kind, train(kind, on, seed, epochs), other[0], seed + 1, epochs)


TRAINERS: dict[str, Trainer] = {
    "nothing": _plain,
    "without near copies": lambda kind, on, other, seed, epochs: train(kind, distinct(on), seed, epochs),
    "blurred": lambda kind, on, other, seed, epochs: train(kind, (blurred(on[0]), on[1]), seed, epochs),
    "flipped and shifted": lambda kind, on, other, seed, epochs: train(kind, on, seed, epochs, change=shifted),
    "noise of 0.2": lambda kind, on, other, seed, epochs: train(kind, on, seed, epochs, change=noisy),
    "weight decay of 1e-3": lambda kind, on, other, seed, epochs: train(kind, on, seed, epochs, decay=1e-3),
    "labels smoothed by 0.1": lambda kind, on, other, seed, epochs: train(kind, on, seed, epochs, smoothing=0.1),
    "without what lies nearer another class": lambda kind, on, other, seed, epochs: train(kind, easy(on), seed, epochs),
    "stopped at a fifth": lambda kind, on, other, seed, epochs: train(kind, on, seed, max(1, epochs // 5)),
    "then tuned on as much other data": _tuned,
    "distilled on other data": _distilled,
}


def best_class_only(scores: np.ndarray) -> np.ndarray:
    """What a server shows that tells no scores."""
    return np.eye(scores.shape[1], dtype=np.float32)[scores.argmax(axis=1)]


def two_digits(scores: np.ndarray) -> np.ndarray:
    """Probabilities rounded to two digits."""
    whole = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.round(whole / whole.sum(axis=1, keepdims=True), 2)


ANSWERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scores": lambda scores: scores, "probabilities of two digits": two_digits, "best class alone": best_class_only,
}  # fmt: skip
