"""Pairs of pictures that are one picture: candidates by hash, confirmed by what two photographs of one thing do not share.

Two renders of one part in nearly one pose agree in their edges, not in their noise. Fine detail (what is left after a 5 x 5
mean) is aligned by cross-correlation; where the pictures are calm, what they share of the noise of the less noisy one decides: all of
it for a copy, nothing for two photographs. Pictures with no noise to compare must agree in nearly all detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._hash_index import HashIndex
from countermark.checks.data._hashes import POSES, fingerprints, posed
from countermark.checks.data._verdicts import Verdicts

RADIUS = 6
LEAST_LIKENESS = 0.9
LEAST_DETAIL, LEAST_DETAIL_NOISELESS = 0.6, 0.95
LEAST_SHARED_NOISE, LEAST_NOISE_RATIO = 0.3, 0.25
REACH = 3
BORDER = 4
BATCH = 500
MOST_PAIRS = 200_000
LEAST_NOISE = 0.25  # grey levels
LEAST_SIDE = 48  # smaller pictures have no calm parts that show a camera's noise
MOST_DIFFERENCE = 0.12  # of the contrast
Pixels = NDArray[np.uint8]
Rows = NDArray[np.intp]
Greys = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Confirmed pairs: rows `one` of the first set and `other` of the second. unlooked: candidates beyond the budget."""

    one: Rows
    other: Rows
    unlooked: int = 0


def within(images: Pixels, side: int | None = None, verdicts: Verdicts | None = None) -> Pairs:
    """Pairs (one < other) inside a set of uint8 (n, h, w, 3).

    Args:
        side: smallest side that a picture had before it was enlarged, where it was.
        verdicts: on pairs compared before; these are not compared again, and those asked for are noted there.
    """
    return _pairs(images, None, min(images.shape[1:3]) if side is None else side, verdicts)


def between(known: Pixels, new: Pixels) -> Pairs:
    """Pairs of a known picture and a new one, both uint8 of one size."""
    return _pairs(known, new, min(known.shape[1:3]))


def _pairs(known: Pixels, new: Pixels | None, side: int, verdicts: Verdicts | None = None) -> Pairs:
    codes, prints = fingerprints(known)
    asked, sought = (codes, prints) if new is None else fingerprints(new)
    found: dict[tuple[int, int], int] = {}
    for kind in range(len(codes)):
        index = HashIndex()
        index.add(codes[kind, :, 0])
        for pose in range(POSES):
            query, row, _ = index.near(asked[kind, :, pose], RADIUS)
            wanted = row < query if new is None else row >= 0
            query, row = query[wanted], row[wanted]
            for at in range(0, len(query), BATCH):
                q, r = query[at : at + BATCH], row[at : at + BATCH]
                alike = (posed(sought[kind, q], pose) * prints[kind, r]).sum(axis=(1, 2)) >= LEAST_LIKENESS
                found |= dict.fromkeys(zip(r[alike].tolist(), q[alike].tolist(), strict=True), pose)
    pairs = np.array([(r, q, pose) for (r, q), pose in found.items()][:MOST_PAIRS], np.intp).reshape(-1, 3)
    same = _judged(known, known if new is None else new, pairs, side >= LEAST_SIDE, verdicts or Verdicts())
    sure = pairs[same]
    order = np.lexsort((sure[:, 1], sure[:, 0]))
    return Pairs(sure[order, 0], sure[order, 1], max(0, len(found) - MOST_PAIRS))


def _judged(known: Pixels, new: Pixels, pairs: Rows, noisy: bool, verdicts: Verdicts) -> NDArray[np.bool_]:
    """(n,) whether pairs are one picture: as was said before, or by comparing them now."""
    keys = verdicts.keys(known, new, pairs, noisy)
    asked = [i for i, key in enumerate(keys) if key not in verdicts.known]
    out = np.array([verdicts.known.get(key, False) for key in keys], bool)
    out[asked] = _compared(known, new, pairs[asked], noisy)
    verdicts.asked |= zip(keys, out.tolist(), strict=True)
    return out


def _compared(known: Pixels, new: Pixels, pairs: Rows, noisy: bool) -> NDArray[np.bool_]:
    kept = [np.zeros(0, bool)]
    for at in range(0, len(pairs), BATCH):
        rows, queries, poses = pairs[at : at + BATCH].T
        second = np.stack([posed(_grey(new[q : q + 1]), p)[0] for q, p in zip(queries, poses, strict=True)])
        kept.append(_same(_grey(known[rows]), second, noisy))
    return np.concatenate(kept)


def _grey(images: Pixels) -> Greys:
    return np.asarray(images.astype(np.float32).mean(axis=-1))


def _same(one: Greys, other: Greys, noisy: bool) -> NDArray[np.bool_]:
    """Whether pairs of pictures are one picture: (n,); by their noise where they are `noisy` enough to have some."""
    if one.shape[1:] != other.shape[1:]:  # an oblong picture turned by 90 degrees
        return np.zeros(len(one), bool)
    dy, dx, like = _aligned(_windowed(_detail(one, 5)), _windowed(_detail(other, 5)))
    pairs = zip(_detail(one, 3), _detail(other, 3), dy, dx, strict=True)
    found = np.array([_shared(a, np.roll(b, (y, x), (0, 1))) for a, b, y, x in pairs]).reshape(-1, 2)
    shared, told = found.T
    told = told * noisy
    far = np.array([_difference(a, np.roll(b, (y, x), (0, 1))) for a, b, y, x in zip(one, other, dy, dx, strict=True)])
    return np.asarray(
        (like > LEAST_DETAIL) & (told > 0) & (shared > LEAST_SHARED_NOISE)
        | (like > LEAST_DETAIL_NOISELESS) & (told == 0) & (far.reshape(-1) <= MOST_DIFFERENCE)
    )


def _detail(pictures: Greys, side: int) -> Greys:
    from scipy.ndimage import uniform_filter

    return np.asarray(pictures - uniform_filter(pictures, (0, side, side)))


def _windowed(detail: Greys) -> Greys:
    """Faded to the edges, of length 1."""
    height, width = detail.shape[1:]
    fade = np.sqrt(np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]))
    out = detail * fade
    return np.asarray(out / np.maximum(np.sqrt((out**2).sum(axis=(1, 2), keepdims=True)), 1e-6), np.float32)


def _aligned(one: Greys, other: Greys) -> tuple[Rows, Rows, NDArray[Any]]:
    """Shift (rows, columns; at most 3 each way) at which pictures correlate most, and how much."""
    spectrum = np.fft.rfft2(one) * np.conj(np.fft.rfft2(other))
    around = np.arange(-REACH, REACH + 1)
    values = np.fft.irfft2(spectrum, s=one.shape[1:])[:, around][:, :, around].reshape(len(one), -1)
    best = values.argmax(axis=1)
    return around[best // len(around)], around[best % len(around)], values[np.arange(len(one)), best]


def _difference(one: Greys, other: Greys) -> float:
    """Mean difference of two pictures, each less its median, as a share of the first one's contrast."""
    a, b = (p[REACH:-REACH, REACH:-REACH] for p in (one, other))
    a, b = a - np.median(a), b - np.median(b)
    return float(np.abs(a - b).mean() / max(float(np.abs(a).mean()), 1e-6))


def _shared(one: Greys, other: Greys) -> tuple[float, bool]:
    """Share of the lesser noise that two details have in common where they are calm, and whether there is noise to tell by."""
    from scipy.ndimage import uniform_filter

    a, b = (p[BORDER:-BORDER, BORDER:-BORDER] for p in (one, other))
    # Where a part has detail of its own, two photographs share it; the calm half shows the camera's noise.
    lively = uniform_filter(a**2 + b**2, 5)
    calm = lively <= np.median(lively)
    less, more = sorted(float(np.median(np.abs(p[calm]))) for p in (a, b))
    differing = float(np.median(np.abs(a[calm] - b[calm])))
    shared = (less**2 + more**2 - differing**2) / max(2 * less**2, 1e-9)
    return shared, less > max(LEAST_NOISE, LEAST_NOISE_RATIO * more)
