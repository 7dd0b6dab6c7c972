"""k-means patch features: learnt from the pictures themselves, no labels, no training, one thread.

Source: Coates, Ng and Lee, "An analysis of single-layer networks in unsupervised feature learning" (AISTATS
2011) and Coates and Ng (ICML 2011): contrast-normalised patches, a k-means dictionary, a two-sided soft
threshold, mean pooling over a grid that keeps the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHRINK, PATCH, STRIDE, POOL = 2, 5, 3, 2
WORDS, THRESHOLD, FLOOR = 48, 0.30, 12.0
SAMPLE_IMAGES, SAMPLE_PATCHES = 400, 30_000
SIDE = 64
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PatchFeatures:
    """A learnt dictionary: float32 (words, 3 * PATCH * PATCH), unit rows."""

    words: Floats

    @classmethod
    def fit(cls, images: Pixels, seed: int) -> PatchFeatures:
        """Learn a dictionary.

        Args:
            images: uint8 (n, 64, 64, 3). seed: of the sample and of k-means.
        """
        from sklearn.cluster import MiniBatchKMeans

        rng = np.random.default_rng([seed, 31])
        some = images[np.sort(rng.permutation(len(images))[:SAMPLE_IMAGES])]
        flat = _normalised(_patches(_shrink(some)))
        flat = flat.reshape(-1, flat.shape[-1])
        lively = flat[(flat**2).mean(axis=1) > 0.25]
        if len(lively) < WORDS:  # pictures without any structure: fall back to whatever there is
            lively = flat
        sample = lively[rng.permutation(len(lively))[:SAMPLE_PATCHES]]
        means = MiniBatchKMeans(min(WORDS, len(sample)), random_state=seed, n_init=1, batch_size=4096, max_iter=25)
        words = means.fit(sample).cluster_centers_.astype(np.float32)
        lengths = np.linalg.norm(words, axis=1, keepdims=True)
        return cls(np.asarray(words / np.maximum(lengths, 1e-6), np.float32))

    def encode(self, images: Pixels) -> Floats:
        """Features of a batch: float32 (n, 2 * words * pooled positions), grouped by word, then by place."""
        flat = _normalised(_patches(_shrink(images)))
        response = flat @ self.words.T / PATCH
        both = np.concatenate([response - THRESHOLD, -response - THRESHOLD], axis=-1)
        side = (SIDE // SHRINK - PATCH) // STRIDE + 1
        cells = side // POOL
        both = np.maximum(both, 0).reshape(len(flat), side, side, -1)[:, : cells * POOL, : cells * POOL]
        parts = [both[:, y::POOL, x::POOL] for y in range(POOL) for x in range(POOL)]
        pooled = sum(parts[1:], parts[0]) / POOL**2
        return np.asarray(pooled.transpose(0, 3, 1, 2).reshape(len(flat), -1), np.float32)


def encode_batch(batch: tuple[Any, ...]) -> Floats:
    """`PatchFeatures.encode` as a pure function of (words, images), for engines."""
    words, images = batch
    return PatchFeatures(words).encode(images)


def _shrink(images: Pixels) -> Floats:
    # Adding strided views is several times faster than one reduction over two inner axes.
    corners = [images[:, y::SHRINK, x::SHRINK].astype(np.uint16) for y in range(SHRINK) for x in range(SHRINK)]
    return np.asarray(sum(corners[1:], corners[0]) / SHRINK**2, np.float32)


def _patches(small: Floats) -> Floats:
    view = np.lib.stride_tricks.sliding_window_view(small, (PATCH, PATCH), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    n, rows, columns = view.shape[:3]
    return np.ascontiguousarray(view).reshape(n, rows * columns, -1)


def _normalised(flat: Floats) -> Floats:
    centred = flat - flat.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + FLOOR), np.float32)
