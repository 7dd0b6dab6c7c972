"""A small convolutional network trained here, out of fold, whose last inner layer gives the features of rows it never saw.

Two folds of suppliers: rows of each are described by the network that was trained on the other, so that no network describes a row of a supplier
that taught it. A network that saw a supplier's planted pattern would describe rows that carry it as the class it was planted for, and hide them
(measured: docs/explanation/evaluation.md). The two networks speak different languages: each has columns of its own, zero for the other's
rows, and heads learn both. One thread, fixed seeds, deterministic kernels: the same machine gives the same bits, another one nearly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import MissingExtra

FOLDS, SIDE = 2, 32
WIDTH, INNER = 16, 128
EPOCHS, BATCH, HOTTEST, DECAY, SMOOTHING = 12, 64, 4e-3, 1e-3, 0.1
DESCRIBED = 256
Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Codes = NDArray[np.intp]


def net_features(
    sized: Pixels, label: Codes, supplier: Codes, seed: int, told: Callable[[float], None] | None = None
) -> Floats:
    """Features of rows from networks that never saw their supplier: float32 (n, 2 x 128).

    Args:
        sized: uint8 (n, 64, 64, 3). label, supplier: (n,) codes, at least two suppliers. seed: of folds, weights and order. told: called with the share done, 0 to 1.

    Raises:
        MissingExtra: PyTorch is absent.
    """
    torch = _torch()
    fold = _folds(supplier, seed)
    rows = _shrunk(sized)
    out = np.zeros((len(rows), FOLDS * INNER), np.float32)
    with _steady(torch, seed):
        pixels, y = torch.from_numpy(rows), torch.from_numpy(np.asarray(label, np.int64))
        for f in range(FOLDS):
            taught, asked = (np.flatnonzero(part) for part in (fold != f, fold == f))
            net = _trained(torch, pixels[taught], y[taught], int(label.max()) + 1, seed + f)
            seen = _described(torch, net, pixels[asked])
            out[asked, f * INNER : (f + 1) * INNER] = (seen - seen.mean(axis=0)) / max(float(seen.std()), 1e-12)
            if told:
                told((f + 1) / FOLDS)
    return out


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtra("training a small network needs PyTorch", mend="pip install 'countermark[torch]'") from None
    return torch


def _folds(supplier: Codes, seed: int) -> Codes:
    """Fold of each row: (n,). Suppliers in random order, each to the fold that has fewer rows so far."""
    count = np.bincount(supplier)
    rows, fold = np.zeros(FOLDS, np.intp), np.zeros(len(count), np.intp)
    for s in np.random.default_rng([seed, 71]).permutation(len(count)):
        fold[s] = rows.argmin()
        rows[fold[s]] += count[s]
    return np.asarray(fold[supplier])


def _shrunk(sized: Pixels) -> Floats:
    """Area averages at 32 x 32, each channel brought to mean 0 and deviation 1 over all: float32 (n, 3, 32, 32)."""
    step = sized.shape[1] // SIDE
    corners = [sized[:, y::step, x::step].astype(np.float32) for y in range(step) for x in range(step)]
    small = sum(corners[1:], corners[0]).transpose(0, 3, 1, 2)
    deviation = small.std(axis=(0, 2, 3), keepdims=True) + 1e-3
    return np.ascontiguousarray((small - small.mean(axis=(0, 2, 3), keepdims=True)) / deviation, np.float32)


@contextmanager
def _steady(torch: Any, seed: int) -> Iterator[None]:
    """One thread, deterministic kernels, seeds of its own; what the caller had set is put back."""
    threads, strict, warn = (
        torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict, warn_only=warn)


def _network(torch: Any, classes: int) -> Any:
    layers: list[Any] = []
    for before, after in ((3, WIDTH), (WIDTH, 2 * WIDTH), (2 * WIDTH, 4 * WIDTH)):
        layers += [torch.nn.Conv2d(before, after, 3, padding=1, bias=False), torch.nn.BatchNorm2d(after), torch.nn.ReLU(),
                   torch.nn.MaxPool2d(2)]  # fmt: skip
    inner = [torch.nn.Flatten(), torch.nn.Linear(4 * WIDTH * (SIDE // 8) ** 2, INNER), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, *inner, torch.nn.Linear(INNER, classes))


def _trained(torch: Any, pixels: Any, y: Any, classes: int, seed: int) -> Any:
    torch.manual_seed(seed)
    net = _network(torch, classes).train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=HOTTEST, weight_decay=DECAY)
    batches = max(
        1, len(y) // BATCH
    )  # what is left over is too few for its own statistics; the order changes every time
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, HOTTEST, total_steps=EPOCHS * batches)
    for _ in range(EPOCHS):
        for some in torch.randperm(len(y))[: batches * BATCH].chunk(batches):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(pixels[some]), y[some], label_smoothing=SMOOTHING).backward()
            optimiser.step()
            pace.step()
    return net.eval()


def _described(torch: Any, net: Any, pixels: Any) -> Floats:
    with torch.no_grad():
        parts = [net[:-1](pixels[at : at + DESCRIBED]).numpy() for at in range(0, len(pixels), DESCRIBED)]
    return np.asarray(np.concatenate(parts), np.float32)
