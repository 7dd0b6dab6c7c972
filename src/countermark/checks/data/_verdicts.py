"""What comparing two pictures said before: a pair of pictures is one picture or is not, whatever rows stand beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused

_HALF = 16
_PAIR = 2 * _HALF + 1
Pixels = NDArray[np.uint8]


@dataclass(slots=True)
class Verdicts:
    """Verdicts by pair: first halves of SHA-256 of the earlier and the later row's pixels, pose, and whether noise told.

    Attributes:
        known: what earlier screenings said. asked: what this one asked for, with its answers, to be kept instead.
    """

    known: dict[bytes, bool] = field(default_factory=dict)
    asked: dict[bytes, bool] = field(default_factory=dict)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Verdicts:
        """Read `to_arrays`.

        Raises:
            FormatRefused: other arrays.
        """
        pairs, same = arrays.get("pairs"), arrays.get("same")
        if pairs is None or same is None or pairs.dtype != np.uint8 or pairs.shape != (len(same), _PAIR):
            raise FormatRefused("these are no verdicts on pairs")
        return cls({row.tobytes(): bool(one) for row, one in zip(pairs, same, strict=True)})

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What was asked: `pairs` uint8 (n, 33), sorted, and `same` bool (n,)."""
        pairs = sorted(self.asked)
        flat = np.frombuffer(b"".join(pairs), np.uint8).reshape(len(pairs), _PAIR)
        return {"pairs": flat, "same": np.array([self.asked[p] for p in pairs], bool)}

    def keys(self, one: Pixels, other: Pixels, pairs: NDArray[np.intp], noisy: bool) -> list[bytes]:
        """Names of pairs.

        Args:
            one, other: the sets that rows are of. pairs: (n, 3): row of `one`, row of `other`, pose. noisy: whether noise tells.
        """
        first = {int(r): _digest(one[r]) for r in np.unique(pairs[:, 0])}
        second = {int(q): _digest(other[q]) for q in np.unique(pairs[:, 1])}
        return [first[r] + second[q] + bytes([pose << 1 | noisy]) for r, q, pose in pairs.tolist()]


def _digest(image: Pixels) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()[:_HALF]
