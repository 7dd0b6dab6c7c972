"""Whether two registered pictures share their noise: a camera's noise is never the same twice, and a copy keeps it until it is compressed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._register import within

LEAST_NOISE = 0.25  # grey levels; below, there is nothing to compare
Floats = NDArray[np.float32]


def noise(first: Floats, moved: Floats) -> Floats:
    """Of what is finer than 3 x 3 pixels where the pictures are calm: its correlation, and the lesser strength as a share of the
    greater: (n, 2). A copy with noise added correlates by that share; a compressed one has little; two photographs have alike strengths
    and correlate by nothing.

    Args:
        first, moved: float32 (n, s, s), registered, at their full size.
    """
    from scipy.ndimage import uniform_filter

    # Where a part has detail of its own, two photographs share it; the calmer half shows the camera's noise.
    inner = within(first.shape[1])
    lively = sum(uniform_filter((p - uniform_filter(p, (0, 5, 5))) ** 2, (0, 5, 5)) for p in (first, moved))
    lively = np.asarray(lively)[:, inner, inner]
    calm = lively <= np.median(lively, axis=(1, 2), keepdims=True)
    one, other = ((p - uniform_filter(p, (0, 3, 3)))[:, inner, inner] * calm for p in (first, moved))
    strengths = np.sqrt(np.stack([(p**2).sum(axis=(1, 2)) / calm.sum(axis=(1, 2)) for p in (one, other)]))
    shared = (one * other).sum(axis=(1, 2)) / calm.sum(axis=(1, 2)) / np.maximum(strengths.prod(axis=0), 1e-3)
    less, more = strengths.min(axis=0), strengths.max(axis=0)
    shown = less >= LEAST_NOISE
    return np.where(shown, np.stack([shared, less / np.maximum(more, 1e-3)]), 0).T.astype(np.float32)
