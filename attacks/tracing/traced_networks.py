"""Three kinds of small networks that really learn, and a thief's further training of their copies. Needs torch.

Weights go in and out as NumPy arrays by name. Fashion-MNIST: four .gz files in the folder FASHION_MNIST (Debian: dataset-fashion-mnist).
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

FASHION = Path(os.environ.get("FASHION_MNIST", "fashion-mnist"))
Weights = dict[str, np.ndarray]
RATE = 1e-3


@dataclass
class Data:
    """Pictures as float32 in [0, 1] and labels: `train` for the owner, `thief` for who has a copy, `test`."""

    train: tuple[torch.Tensor, torch.Tensor]
    thief: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]


class Rows(nn.Module):
    """A transformer that reads a picture row by row; two blocks, attention of four heads, GELU."""

    def __init__(self, side: int = 28, width: int = 64) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(side, width), nn.Parameter(torch.zeros(side, width))
        block = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.embed(x.reshape(len(x), 28, 28)) + self.place).mean(dim=1))


def network(kind: str) -> nn.Module:
    if kind == "mlp":
        return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    if kind == "convnet":
        return nn.Sequential(
            nn.Unflatten(1, (1, 28)), nn.Conv2d(1, 24, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(24, 48, 3, stride=2, padding=1),
            nn.ReLU(), nn.Flatten(), nn.Linear(48 * 49, 64), nn.ReLU(), nn.Linear(64, 10),
        )  # fmt: skip
    return Rows()


LAYERS = {
    "mlp": ["0.weight", "2.weight", "4.weight"],
    "convnet": ["1.weight", "3.weight", "6.weight", "8.weight"],
    "transformer": [],
}
EPOCHS = {"mlp": 40, "convnet": 6, "transformer": 12}


def data(kind: str, seed: int, train: int = 8000, thief: int = 1000) -> Data:
    rng = np.random.default_rng(seed)
    if kind == "mlp":
        from sklearn.datasets import load_digits

        pictures, labels = load_digits(return_X_y=True)
        order = rng.permutation(len(labels))
        parts = order[:900], order[900:1200], order[1200:]
        return Data(*(_tensors(pictures[p] / 16, labels[p]) for p in parts))
    pictures, labels = _read("train")
    order = rng.permutation(len(labels))
    held, truth = _read("t10k")
    return Data(_tensors(pictures[order[:train]] / 255, labels[order[:train]]),
                _tensors(pictures[order[train : train + thief]] / 255, labels[order[train : train + thief]]),
                _tensors(held / 255, truth))  # fmt: skip


def _read(part: str) -> tuple[np.ndarray, np.ndarray]:
    pictures = np.frombuffer(
        gzip.decompress((FASHION / f"{part}-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16
    )
    labels = np.frombuffer(gzip.decompress((FASHION / f"{part}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return pictures.reshape(-1, 28, 28), labels


def _tensors(pictures: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(pictures, dtype=torch.float32), torch.tensor(labels.astype(np.int64))


def train(
    kind: str,
    on: tuple[torch.Tensor, torch.Tensor],
    seed: int,
    epochs: int,
    start: Weights | None = None,
    rate: float = RATE,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None,
    decay: float = 0.0,
    smoothing: float = 0.0,
) -> Weights:
    """Adam, batches of 64; from `start`, or from nothing. `change`: what is done to each batch of pictures."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    net = network(kind)
    if start is not None:
        load(net, start)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay)
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
    pictures, labels = on
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for at in range(0, len(labels), 64):
            picked = order[at : at + 64]
            optimiser.zero_grad()
            batch = pictures[picked] if change is None else change(pictures[picked])
            loss(net(batch), labels[picked]).backward()
            optimiser.step()
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}


def load(net: nn.Module, weights: Weights) -> None:
    net.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})


def scores(kind: str, weights: Weights, pictures: torch.Tensor) -> np.ndarray:
    """Logits, float32 (n, 10)."""
    net = network(kind).eval()
    load(net, weights)
    with torch.no_grad():
        return torch.cat([net(part) for part in pictures.split(1000)]).numpy()


def right(kind: str, weights: Weights, on: tuple[torch.Tensor, torch.Tensor]) -> np.ndarray:
    """Which answers are right, bool (n,)."""
    net = network(kind).eval()
    load(net, weights)
    with torch.no_grad():
        found = torch.cat([net(part).argmax(dim=1) for part in on[0].split(1000)])
    return (found == on[1]).numpy()


def distil(kind: str, teacher: Weights, on: torch.Tensor, seed: int, epochs: int) -> Weights:
    """A new network that learns the answers of another."""
    net = network(kind).eval()
    load(net, teacher)
    with torch.no_grad():
        answers = torch.cat([net(part).argmax(dim=1) for part in on.split(1000)])
    return train(kind, (on, answers), seed, epochs)
