"""What pictures are put on so that rows of different days can be compared: the patch dictionary, and directions learnt with it.

A frame is learnt once, from the rows of one screening, and then frozen: a row's numbers depend on the row and the frame
alone. They are rounded to 1/256, so that sums of their products are whole multiples of 1/65536 and exact in whatever
order rows are added and taken away (`grid` has the argument).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused
from countermark.features import arrays
from countermark.features.patches import PATCH, WORDS

DIMENSIONS = 640
SAMPLE = 1600
STEPS = 256
FARTHEST = 4096.0
SPREAD_FLOOR = 1e-3
LEAST_VALUE = 1e-6
MOST_RAW = 1 << 16
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Directions:
    """Standardisation, then at most 640 directions.

    Attributes:
        centre, spread: float32 (d,). along: float32 (d, k), or (0, 0) where features are few enough to be kept as they are.
    """

    centre: Floats
    spread: Floats
    along: Floats

    @classmethod
    def fit(cls, features: Floats, seed: int) -> Directions:
        """Leading principal directions of a sample of 1600 rows, standardised over all.

        Args:
            features: (n, d). seed: of the row sample that directions are taken from.
        """
        centre, spread = features.mean(axis=0), features.std(axis=0) + SPREAD_FLOOR
        none = np.zeros((0, 0), np.float32)
        out = cls(np.asarray(centre, np.float32), np.asarray(spread, np.float32), none)
        if features.shape[1] <= DIMENSIONS:
            return out
        chosen = np.random.default_rng([seed, 41]).permutation(len(features))[:SAMPLE]
        sample = out._standard(features[np.sort(chosen)])
        # Directions of the sample from its Gram matrix, which is smaller than its covariance.
        values, left = np.linalg.eigh(sample @ sample.T)
        kept = np.flatnonzero(values > values[-1] * LEAST_VALUE)[::-1][:DIMENSIONS]
        along = sample.T @ (left[:, kept] / np.sqrt(values[kept]))
        return cls(out.centre, out.spread, np.asarray(along, np.float32))

    def on(self, features: Floats) -> Floats:
        """Rows along the directions, rounded to 1/256 and kept within 4096: float32 (n, at most 640)."""
        z = self._standard(features)
        out = z @ self.along if self.along.size else z
        return np.asarray(np.clip(np.rint(out * STEPS) / STEPS, -FARTHEST, FARTHEST), np.float32)

    def _standard(self, features: Floats) -> Floats:
        return np.asarray((features - self.centre) / self.spread, np.float32)


@dataclass(frozen=True, slots=True)
class Frame:
    """A patch dictionary and the directions of its features.

    Attributes:
        words: float32 (w, 75), of `PatchFeatures`. directions: over its features.
    """

    words: Floats
    directions: Directions

    def to_bytes(self) -> bytes:
        """``cm-arrays/v1`` with the arrays `along`, `centre`, `spread` and `words`."""
        d = self.directions
        return arrays.to_bytes({"along": d.along, "centre": d.centre, "spread": d.spread, "words": self.words})

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Frame:
        """Read a frame.

        Raises:
            FormatRefused: arrays are missing, of other shapes, or hold what is no finite number.
        """
        got = arrays.from_bytes(data)
        if set(got) != {"along", "centre", "spread", "words"}:
            raise FormatRefused("this is no frame of features", why=f"arrays: {sorted(got)!r:.200}")
        words, along, centre, spread = (got[name] for name in ("words", "along", "centre", "spread"))
        d = len(centre) if centre.ndim == 1 else -1
        fine = (
            all(a.dtype == np.float32 and np.isfinite(a).all() for a in (words, along, centre, spread))
            and words.ndim == 2 and 1 <= len(words) <= WORDS and words.shape[1] == 3 * PATCH**2
            and 1 <= d <= MOST_RAW and spread.shape == (d,) and bool((spread > 0).all())
            and along.ndim == 2 and (along.shape == (0, 0) or (along.shape[0] == d and 1 <= along.shape[1] <= DIMENSIONS))
        )  # fmt: skip
        if not fine:
            raise FormatRefused("arrays of a frame do not belong together")
        return cls(words, Directions(centre, spread, along))
