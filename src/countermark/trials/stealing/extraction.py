"""stealing/extraction: how faithful a copy an API's answers let somebody train, by number of queries.

The thief has pictures of the same kind, asks the model, and fits a substitute (random convolution features and a
ridge) to the answers; fidelity is agreement with the model on pictures it never asked about (Tramer et al.,
USENIX Security 2016; Orekondy et al., "Knockoff nets", CVPR 2019). Three forms of answers: full scores, the best
class with its score to one decimal, and the best class alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.finding import Measure, Passed, Skipped
from countermark.trials.target import Images, Scores, Spent, Target, TrialResult, proportion

ID, VERSION = "stealing/extraction", 1
SIZES = (100, 300, 1000, 3000)
FORMS = ("full scores", "top score to one decimal", "label only")
FILTERS, PATCH, GRID = 128, 6, 4
RIDGE = 1.0
HELD_OUT = 200


def run(target: Target, pool: Images, held_out: Images, *, seed: int, sizes: tuple[int, ...] = SIZES) -> TrialResult:
    """Measure the extraction curve.

    Args:
        pool: pictures the thief may ask about, uint8 (n, 64, 64, 3). held_out: others, to measure fidelity on.
        sizes: numbers of queries; those larger than the pool are left out.
    """
    rng = np.random.default_rng([seed, 67])
    used = [s for s in sizes if s <= len(pool)]
    if not used or not len(held_out):
        return TrialResult(ID, VERSION, Skipped(f"{len(pool)} pictures are too few"), target.budget, seed, False, 0)
    features = _features(rng)
    asked = pool[rng.permutation(len(pool))[: used[-1]]]
    try:
        answers = np.concatenate([target.ask(asked[i : i + 100]) for i in range(0, len(asked), 100)])
        truth = np.concatenate([target.ask(held_out[i : i + 100]) for i in range(0, len(held_out), 100)]).argmax(axis=1)
    except Spent:
        reason = "the budget ended the trial before the answers were in"
        return TrialResult(ID, VERSION, Skipped(reason), target.budget, seed, False, target.used)
    z, held = features(asked), features(held_out)
    measures: list[Measure] = []
    for form in FORMS:
        told = _told(answers, form)
        for size in used:
            agree = int((_fit(z[:size], told[:size], held) == truth).sum())
            measures.append(proportion(f"fidelity, {form}, {size} queries", agree, len(held_out)))
    return TrialResult(ID, VERSION, Passed(tuple(measures)), target.budget, seed, True, target.used)


def _told(scores: Scores, form: str) -> NDArray[np.float64]:
    """What an API that answers in this form gives away: (n, classes)."""
    if form == FORMS[0]:
        return scores.astype(np.float64)
    best = scores.argmax(axis=1)
    out = np.zeros(scores.shape)
    top = scores[np.arange(len(scores)), best]
    out[np.arange(len(scores)), best] = np.maximum(np.round(top, 1), 0.1) if form == FORMS[1] else 1.0
    return out


def _fit(z: NDArray[np.float64], told: NDArray[np.float64], held: NDArray[np.float64]) -> NDArray[np.intp]:
    """Ridge in its dual form: classes predicted for `held`."""
    mean, scale = z.mean(axis=0), z.std(axis=0) + 1e-6
    a, b = (z - mean) / scale, (held - mean) / scale
    kernel = a @ a.T / a.shape[1]
    kernel[np.diag_indices_from(kernel)] += RIDGE * 0.05
    weights = np.linalg.solve(kernel, told - told.mean(axis=0))
    return np.asarray((b @ a.T / a.shape[1] @ weights + told.mean(axis=0)).argmax(axis=1))


def _features(rng: np.random.Generator):  # type: ignore[no-untyped-def]
    """Random convolution features, the thief's own: uint8 (n, h, w, 3) -> float64 (n, d)."""
    filters = rng.normal(size=(FILTERS, 3 * PATCH * PATCH)).astype(np.float32)
    filters -= filters.mean(axis=1, keepdims=True)
    filters /= np.linalg.norm(filters, axis=1, keepdims=True)

    def encode(images: Images) -> NDArray[np.float64]:
        return np.concatenate([_encode(images[i : i + 100], filters) for i in range(0, len(images), 100)])

    return encode


def _encode(images: Images, filters: NDArray[np.float32]) -> NDArray[np.float64]:
    n, h, w, c = images.shape
    small = (
        images[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).astype(np.float32).mean(axis=(2, 4))
    )
    view = np.lib.stride_tricks.sliding_window_view(small, (PATCH, PATCH), axis=(1, 2))[:, ::3, ::3]
    rows, columns = view.shape[1:3]
    response = np.maximum(np.ascontiguousarray(view).reshape(n, rows, columns, -1) @ filters.T, 0)
    cell = max(1, rows // GRID)
    pooled = response[:, : cell * GRID, : cell * GRID].reshape(n, -1, cell, min(GRID, columns // cell), cell, FILTERS)
    return np.asarray(pooled.mean(axis=(2, 4)).reshape(n, -1), np.float64)
