"""Features without what all of a supplier's classes share: an instrument's offset is drift, and accuses nobody.

Location adjustment of batch effects (Johnson, Li and Rabinovic, "Adjusting batch effects", Biostatistics 2007), robust and
sparing: per supplier and feature, medians of its rows of each class against the same class of all others; what at least
three quarters of its classes exceed is taken away, and only where it is beyond doubt. An attack on a minority of a supplier's
rows, or on one of its classes, moves none of it. A supplier of a single class is left as it is: there, drift and attack look alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_ROWS, LEAST_OTHERS = 3, 8
SURE = 4.0  # standard errors
Floats = NDArray[np.float32]
Codes = NDArray[np.intp]


def levelled(features: Floats, label: Codes, supplier: Codes) -> Floats:
    """The same features, float32 (n, d), less each supplier's offset.

    Args:
        features: (n, d). label, supplier: (n,) codes.
    """
    out = np.array(features, np.float32)
    of_class = [np.flatnonzero(label == c) for c in range(int(label.max()) + 1)]
    for s in np.unique(supplier):
        mine = np.flatnonzero(supplier == s)
        offsets, apart = [], []
        for c in np.unique(label[mine]):
            rows, others = mine[label[mine] == c], of_class[c][supplier[of_class[c]] != s]
            if len(rows) >= LEAST_ROWS and len(others) >= LEAST_OTHERS:
                offsets.append(np.median(features[rows], axis=0) - np.median(features[others], axis=0))
                apart.append(np.abs(features[rows] - np.median(features[rows], axis=0)))
        if len(offsets) >= 2:
            out[mine] -= _shared(np.array(offsets), np.concatenate(apart))
    return out


def _shared(offsets: Floats, apart: Floats) -> Floats:
    """(d,) what three quarters of the classes exceed on one side, where it is sure; else 0."""
    low, high = np.quantile(offsets, (0.25, 0.75), axis=0)
    shared = np.where(low > 0, low, np.where(high < 0, high, 0.0))
    error = 1.2533 * 1.4826 * np.median(apart, axis=0) / np.sqrt(len(apart))  # of a median of normal values
    return np.asarray(np.where(np.abs(shared) > SURE * error, shared, 0.0), np.float32)
