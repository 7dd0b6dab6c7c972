"""A key shard: the signs of a few weights of each layer, turned in the file that is shipped; the shard says which. RESEARCH, no protection.

In each layer a secret half of the largest weights get the other sign. Magnitudes stay where they are, and signs of large weights are nearly
balanced in trained layers, so that a layer's distribution hardly shows it; whoever knows the method knows where the candidates are, and not
which half. NNSplitter (arXiv 2305.00097) withholds weights too, and reports the drop in accuracy alone. What counts is how far ahead of training
from nothing the shipped file puts a thief, which `benchmarks/shard.py` measures: far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.tracing.key import named, stream

LEAST_SHARE, MOST_SHARE = 0.02, 0.05
Mask = NDArray[np.bool_]


def choose(magnitude: NDArray[np.float32], share: float, key: bytes) -> Mask:
    """Which weights are turned: a secret half of the largest, (n,).

    Args:
        magnitude: absolute values, (n,). share: of all weights, 0 to 0.5. key: 32 secret bytes for this tensor alone.
    """
    count = int(len(magnitude) * share)
    chance = np.frombuffer(stream(named(key, b"which"), 8 * len(magnitude)), "<u8")
    largest = np.argsort(-magnitude, kind="stable")[: 2 * count]
    mask = np.zeros(len(magnitude), np.bool_)
    mask[largest[np.argsort(chance[largest], kind="stable")][:count]] = True
    return mask


def turned(stored: bytes, width: int, mask: Mask) -> bytes:
    """Floating-point numbers with the signs of some of them turned; doing it again undoes it, to the bit.

    Args:
        stored: (n,) numbers of any IEEE type, little endian. width: bytes of each. mask: (n,).
    """
    out = np.frombuffer(stored, np.uint8).reshape(-1, width).copy()
    out[mask, width - 1] ^= 0x80
    return out.tobytes()
