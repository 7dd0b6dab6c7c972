"""What screening sees of a supplier whose labels are swapped in a few cells, half of each: the power, seed by seed.

    OMP_NUM_THREADS=1 python benchmarks/screening_two_cells.py --data /usr/share/datasets/fashion-mnist --seeds 10

Fashion-MNIST (Debian: dataset-fashion-mnist), dealt to suppliers with a light and a noise of their own; no row twice. Of one of them
half of the rows of two classes change places, then of four, then of six. Screened as shipped. Clean sets are screened too.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data.battery import screen
from countermark.checks.data.screening import Screening

CLASSES, ATTACKER = 10, 3
Pixels = NDArray[np.uint8]


def read(data: Path, name: str, head: int) -> NDArray[np.uint8]:
    """Bytes of an IDX file behind its head."""
    return np.frombuffer(gzip.decompress((data / name).read_bytes())[head:], np.uint8)


def dealt(
    pictures: Pixels, labels: NDArray[np.uint8], suppliers: int, each: int, seed: int
) -> tuple[Pixels, NDArray[np.intp], NDArray[np.intp]]:
    """Pictures, classes and suppliers of a clean set: `each` rows a cell."""
    rng = np.random.default_rng([seed, 1])
    pools = [
        rng.permutation(np.flatnonzero(labels == c))[: suppliers * each].reshape(suppliers, each)
        for c in range(CLASSES)
    ]
    rows = np.stack(pools)  # (classes, suppliers, each)
    light, level, noise = (
        rng.uniform(0.8, 1.1, suppliers),
        rng.normal(0, 8, suppliers),
        np.abs(rng.normal(0, 4, suppliers)),
    )
    label, supplier = (
        np.broadcast_to(a, rows.shape).ravel()
        for a in (np.arange(CLASSES)[:, None, None], np.arange(suppliers)[:, None])
    )
    made = pictures[rows.ravel()] * light[supplier][:, None, None] + level[supplier][:, None, None]
    made = made + rng.normal(size=made.shape) * noise[supplier][:, None, None]
    return np.clip(made, 0, 255).astype(np.uint8), label.copy(), supplier.copy()


def swapped(
    images: Pixels, label: NDArray[np.intp], supplier: NDArray[np.intp], pairs: int, seed: int
) -> tuple[Pixels, NDArray[np.intp]]:
    """Half of the rows of each of `pairs` pairs of the attacker's cells change places; the pictures, and the rows touched."""
    order, images, touched = np.random.default_rng([seed, 2]).permutation(CLASSES), images.copy(), []
    for one, other in order[: 2 * pairs].reshape(pairs, 2):
        first, second = (np.flatnonzero((supplier == ATTACKER) & (label == c)) for c in (one, other))
        first, second = first[: len(first) // 2], second[: len(second) // 2]
        images[first], images[second] = images[second], images[first].copy()
        touched += [first, second]
    return images, np.concatenate(touched) if touched else np.zeros(0, np.intp)


def told(result: Screening, touched: NDArray[np.intp]) -> dict[str, float | bool]:
    """Whether the attacker was named, who else was, and how many of the rows touched were flagged."""
    name, flagged = f"supplier-{ATTACKER:02}", result.row_flagged
    return {
        "named": name in result.named,
        "innocents": float(len([s for s in result.named if s != name or not len(touched)])),
        "recall": float(flagged[touched].mean()) if len(touched) else 0.0,
        "flagged beside": float(flagged.sum() - flagged[touched].sum()),
    }


def main() -> None:
    """Print one JSON line for each number of swapped cells."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, required=True)
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--first", type=int, default=100)
    asked.add_argument("--suppliers", type=int, default=8)
    asked.add_argument("--each", type=int, default=20)
    options = asked.parse_args()
    pictures = read(options.data, "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = read(options.data, "train-labels-idx1-ubyte.gz", 8)
    for pairs in range(4):
        runs = []
        for seed in range(options.first, options.first + options.seeds):
            images, label, supplier = dealt(pictures, labels, options.suppliers, options.each, seed)
            images, touched = swapped(images, label, supplier, pairs, seed)
            result = screen(images, [f"class-{c}" for c in label], [f"supplier-{s:02}" for s in supplier], seed=seed)
            runs.append(told(result, touched))
        means = {key: round(float(np.mean([run[key] for run in runs])), 3) for key in runs[0]}
        print(
            json.dumps(
                {
                    "suppliers": options.suppliers,
                    "rows a cell": options.each,
                    "cells": 2 * pairs,
                    "seeds": len(runs),
                    **means,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
