"""The pictures that look most like each one, in any of eight poses: all compared up to 20,000, found by their hashes beyond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._hash_index import HashIndex
from countermark.checks.data._prints import LOW, Prints
from countermark.features.perceptual_hash import POSES, posed_hashes

MOST_COMPARED = 20_000
RADIUS = 7
NEAREST = 2  # of each kind of print
BLOCK, ASKED = 256, 5000
KINDS = (("lying", "lying"), ("placed", "placed"), ("enlarged", "lying"))
Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
_ODD = np.arange(LOW) % 2 == 1


def candidates(prints: Prints) -> NDArray[np.intp]:
    """Pairs worth a closer look: (m, 3) row, later row, and the pose in which the later one looks like the first, each once."""
    found = []
    for asked, known in KINDS:
        low, other = prints.low[asked], prints.low[known]
        pairs = _compared(low, other) if len(low) <= MOST_COMPARED else _hashed(prints, asked, known)
        pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & ~prints.flat[pairs].any(axis=1)]
        pose = np.stack([_dots(_turned(low, p), other, pairs) for p in range(POSES)]).argmax(axis=0)
        found.append(_ordered(pairs, pose))
    return np.unique(np.concatenate(found), axis=0)


def _ordered(pairs: Rows, pose: Rows) -> Rows:
    """Asked row in a pose looks like the other one -> first row, later row in a pose that looks like the first."""
    # Undoing: mirrored and swapped is swapped and mirrored along the other axis.
    undone = np.where(pose & 4, 4 | (pose & 1) << 1 | (pose & 2) >> 1, pose)
    later = pairs[:, 0] > pairs[:, 1]
    return np.column_stack([pairs.min(axis=1), pairs.max(axis=1), np.where(later, pose, undone)])


def _compared(low: Floats, other: Floats) -> Rows:
    """The two most alike of every row, all compared: (2 n, 2)."""
    parts = _by_parity(other)
    out = []
    for at in range(0, len(low), BLOCK):
        block = low[at : at + BLOCK]
        like = np.maximum(_best_mirror(_by_parity(block), parts), _best_mirror(_by_parity(block.swapaxes(1, 2)), parts))
        row = np.arange(len(block))
        like[row, at + row] = -2
        for _ in range(min(NEAREST, len(low) - 1)):
            best = like.argmax(axis=1)
            like[row, best] = -2
            out.append(np.column_stack([at + row, best]))
    return np.concatenate(out)


def _by_parity(low: Floats) -> tuple[Floats, ...]:
    """Frequencies by whether they are odd down and across: four times (n, 16)."""
    return tuple(
        np.ascontiguousarray(low[:, down == _ODD][:, :, across == _ODD].reshape(len(low), -1))
        for down in (False, True) for across in (False, True)
    )  # fmt: skip


def _best_mirror(asked: tuple[Floats, ...], known: tuple[Floats, ...]) -> Floats:
    """Likeness in the best of the four mirrored poses: they differ only in the signs of three of four sums."""
    even, across, down, both = (a @ k.T for a, k in zip(asked, known, strict=True))
    return np.asarray(even + np.maximum(both + np.abs(across + down), np.abs(across - down) - both))


def _turned(low: Floats, pose: int) -> Floats:
    """Frequencies of pictures in another pose: `posed` for frequencies."""
    odd = np.where(_ODD, -1, 1).astype(np.float32)
    out = low.swapaxes(1, 2) if pose & 4 else low
    out = out * odd if pose & 1 else out
    return np.asarray(out * odd[:, None] if pose & 2 else out)


def _dots(low: Floats, other: Floats, pairs: Rows) -> Floats:
    return np.asarray(np.einsum("nij,nij->n", low[pairs[:, 0]], other[pairs[:, 1]]))


def _hashed(prints: Prints, asked: str, known: str) -> Rows:
    """The two most alike of every row among those whose hashes are at most 7 bits apart in one of the poses."""
    low, other = prints.low[asked], prints.low[known]
    codes, index = posed_hashes(prints.shown(asked)), HashIndex()
    index.add(posed_hashes(prints.shown(known), (0,))[:, 0])
    out = [np.zeros((0, 2), np.intp)]
    for at in range(0, len(low), ASKED):
        near = [index.near(codes[at : at + ASKED, pose], RADIUS)[:2] for pose in range(POSES)]
        pairs = np.unique(np.concatenate([np.column_stack([at + query, row]) for query, row in near]), axis=0)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        like = np.max([_dots(_turned(low, p), other, pairs) for p in range(POSES)], axis=0)
        pairs = pairs[np.lexsort((-like, pairs[:, 0]))]
        out.append(pairs[np.arange(len(pairs)) - np.searchsorted(pairs[:, 0], pairs[:, 0]) < NEAREST])
    return np.concatenate(out)
