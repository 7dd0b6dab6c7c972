"""Features as whole numbers, so that their sums are the same in whatever order and by whomever they are added.

Floating-point sums depend on the order of their terms. Standardised features rounded to 1/256 of a standard deviation
are integers; products and sums of integers are exact in float64 while they stay below 2**53. So sums of products can be
split over batches, workers and deliveries, added and taken away again, to the last bit. What it costs is the rounding of
each feature once, by at most 1/512 of its standard deviation.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.errors import Unusable

STEPS = 256
FARTHEST = 32
SPREAD_FLOOR = 1e-3
MOST_FEATURES = 4096
Floats = NDArray[np.float32]
Whole = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where whole numbers lie on the axis of each feature.

    Attributes:
        centre: float32 (d,), what becomes 0. spread: float32 (d,), positive: what becomes `STEPS`.
    """

    centre: Floats
    spread: Floats

    @classmethod
    def fit(cls, sample: Floats) -> Grid:
        """A grid over the mean and standard deviation of a sample, for all later rows to be put on.

        Args:
            sample: (n, d), n of at least 2, finite; d of at most 4096.

        Raises:
            Unusable: another shape, or values that are not finite.
        """
        if sample.ndim != 2 or len(sample) < 2 or not 1 <= sample.shape[1] <= MOST_FEATURES:
            raise Unusable(
                f"features of shape {sample.shape}", mend=f"rows x features: 2 or more, up to {MOST_FEATURES}"
            )
        if not np.isfinite(sample).all():
            raise Unusable("features that are not finite")
        wide = sample.astype(np.float64)
        return cls(wide.mean(axis=0).astype(np.float32), (wide.std(axis=0) + SPREAD_FLOOR).astype(np.float32))

    @property
    def digest(self) -> str:
        """SHA-256 of the grid, hex: sums over different grids do not add up."""
        parts = (np.ascontiguousarray(a, "<f4").tobytes() for a in (self.centre, self.spread))
        return hashlib.sha256(b"cm-grid/v1\0" + b"".join(parts)).hexdigest()

    def on(self, features: Floats) -> Whole:
        """Features on the grid: float64 (n, d) that holds whole numbers from -8192 to 8192.

        What lies farther than 32 standard deviations off is put there. Every step is rounded as IEEE 754 says, so that
        all machines give the same.

        Raises:
            Unusable: another number of features, or values that are not finite.
        """
        if features.ndim != 2 or features.shape[1] != len(self.centre):
            raise Unusable(f"features of shape {features.shape} for a grid of {len(self.centre)}")
        out: Whole = features.astype(np.float64)
        out -= self.centre
        out *= STEPS
        out /= self.spread
        np.rint(out, out=out)
        if not np.isfinite(out).all():
            raise Unusable("features that are not finite")
        return np.clip(out, -FARTHEST * STEPS, FARTHEST * STEPS, out=out)
