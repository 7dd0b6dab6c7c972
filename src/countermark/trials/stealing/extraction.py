"""stealing/extraction: how faithful a copy an API's answers let somebody train, by number of queries.

The thief has pictures of the same kind, asks the model, and fits a substitute (random convolution features and a
ridge) to the answers; fidelity is agreement with the model on pictures it never asked about (Tramer et al.,
USENIX Security 2016; Orekondy et al., "Knockoff nets", CVPR 2019). Three forms of answers: full scores, the best
class with its score to one decimal, and the best class alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.errors import Unusable
from countermark.finding import Measure, Passed, Skipped
from countermark.trials.target import Images, Scores, Spent, Target, TrialResult, proportion

ID, VERSION = "stealing/extraction", 2
SIZES = (100, 300, 1000, 3000)
FORMS = ("full scores", "top score to one decimal", "label only")
FILTERS, PATCH, STRIDE, GRID = 128, 6, 3, 4
RIDGE = 0.05
HELD_OUT = 200
BATCH = 100
FloatArray = NDArray[np.float64]


def run(target: Target, pool: Images, held_out: Images, *, seed: int, sizes: tuple[int, ...] = SIZES) -> TrialResult:
    """Measure the extraction curve.

    Args:
        pool: pictures the thief may ask about, uint8 (n, h, w, 3), h and w at least 12. held_out: others of the same
            size, to measure fidelity on. sizes: numbers of queries; those larger than the pool are left out.

    Returns:
        ``fidelity, FORM, N queries`` for each form and size: a lower bound of what a thief can reach, because a better
        substitute may exist. Where the budget ended the run, the curve stops at the answers that came.

    Raises:
        Unusable: pictures too small or of different sizes. ExchangeRefused: the model does not answer properly.
    """
    if pool.shape[1:] != held_out.shape[1:] or pool.ndim != 4 or min(pool.shape[1:3]) < 2 * PATCH:
        raise Unusable(f"pictures of {pool.shape[1:]} and {held_out.shape[1:]} cannot be compared")
    wanted = tuple(s for s in sorted(sizes) if 0 < s <= len(pool))
    if not wanted or not len(held_out):
        return _nothing(target, seed, f"{len(pool)} pictures are too few")
    rng = np.random.default_rng([seed, 67])
    filters = _filters(rng, pool.shape[3])
    asked = pool[rng.permutation(len(pool))[: wanted[-1]]]
    truth, answers = _ask(target, held_out), _ask(target, asked)
    done = tuple(s for s in wanted if s <= len(answers))
    if len(truth) < len(held_out) or not done:
        return _nothing(target, seed, "the budget ended the trial before enough answers were in")
    curve = _curve(
        _features(asked[: done[-1]], filters), answers, _features(held_out, filters), truth.argmax(axis=1), done
    )
    return TrialResult(ID, VERSION, Passed(curve), target.budget, seed, done == wanted, target.used)


def _nothing(target: Target, seed: int, reason: str) -> TrialResult:
    return TrialResult(ID, VERSION, Skipped(reason), target.budget, seed, False, target.used)


def _ask(target: Target, images: Images) -> Scores:
    """Scores of as many whole batches as the budget covers."""
    out: list[Scores] = []
    try:
        for start in range(0, len(images), BATCH):
            out.append(target.ask(images[start : start + BATCH]))
    except Spent:
        pass  # what came is measured, and the caller sees how much that is
    return np.concatenate(out) if out else np.zeros((0, 1), np.float32)


def _curve(
    z: FloatArray, answers: Scores, held: FloatArray, truth: NDArray[np.intp], sizes: tuple[int, ...]
) -> tuple[Measure, ...]:
    measures = []
    for form in FORMS:
        told = _told(answers, form)
        for size in sizes:
            agree = int((_fit(z[:size], told[:size], held) == truth).sum())
            measures.append(proportion(f"fidelity, {form}, {size} queries", agree, len(held)))
    commonest = int((truth == np.bincount(answers.argmax(axis=1)).argmax()).sum())
    return (*measures, proportion("fidelity of always the commonest class", commonest, len(held)))


def _told(scores: Scores, form: str) -> FloatArray:
    """What an API that answers in this form gives away: (n, classes)."""
    if form == FORMS[0]:
        return scores.astype(np.float64)
    rows, best = np.arange(len(scores)), scores.argmax(axis=1)
    out = np.zeros(scores.shape)
    # A thief who is told 0.0 still knows that this class came first.
    out[rows, best] = np.maximum(np.round(scores[rows, best], 1), 0.1) if form == FORMS[1] else 1.0
    return out


def _fit(z: FloatArray, told: FloatArray, held: FloatArray) -> NDArray[np.intp]:
    """Ridge in its dual form (one row a query, so n x n): classes predicted for `held`."""
    mean, scale = z.mean(axis=0), z.std(axis=0) + 1e-6
    a, b = (z - mean) / scale, (held - mean) / scale
    kernel = a @ a.T / a.shape[1]
    kernel[np.diag_indices_from(kernel)] += RIDGE
    middle = told.mean(axis=0)
    weights = np.linalg.solve(kernel, told - middle)
    return np.asarray((b @ a.T / a.shape[1] @ weights + middle).argmax(axis=1))


def _filters(rng: np.random.Generator, channels: int) -> NDArray[np.float32]:
    """Random unit-length filters without a mean, the thief's own: (FILTERS, channels * PATCH * PATCH)."""
    filters = rng.normal(size=(FILTERS, channels * PATCH * PATCH)).astype(np.float32)
    filters -= filters.mean(axis=1, keepdims=True)
    return np.asarray(filters / np.linalg.norm(filters, axis=1, keepdims=True), np.float32)


def _features(images: Images, filters: NDArray[np.float32]) -> FloatArray:
    """Halve, filter, rectify and pool on a grid: (n, GRID * GRID * FILTERS)."""
    return np.concatenate([_encode(images[i : i + BATCH], filters) for i in range(0, len(images), BATCH)])


def _encode(images: Images, filters: NDArray[np.float32]) -> FloatArray:
    n, h, w, c = images.shape
    even = images[:, : h // 2 * 2, : w // 2 * 2].astype(np.float32)
    small = even.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))
    view = np.lib.stride_tricks.sliding_window_view(small, (PATCH, PATCH), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    rows, columns = view.shape[1:3]
    response = np.maximum(np.ascontiguousarray(view).reshape(n, rows, columns, -1) @ filters.T, 0)
    down, across = min(GRID, rows), min(GRID, columns)
    tall, wide = rows // down, columns // across
    cells = response[:, : tall * down, : wide * across].reshape(n, down, tall, across, wide, FILTERS)
    return np.asarray(cells.mean(axis=(2, 4)).reshape(n, -1), np.float64)
