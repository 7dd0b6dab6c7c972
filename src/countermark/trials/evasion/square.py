"""evasion/square: black-box, score-based evasion within an L-infinity ball.

Source: Andriushchenko, Croce, Flammarion and Hein, "Square Attack" (ECCV 2020): random squares of shrinking
size, each set to plus or minus epsilon, kept where the margin falls. All pictures are attacked side by side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.finding import Measure, Passed, Skipped
from countermark.trials.target import Budget, Images, Scores, Spent, Target, TrialResult, proportion

ID, VERSION = "evasion/square", 1
EPSILON = 8
START_SHARE = 0.05
STEPS = ((0.02, 0.5), (0.08, 0.25), (0.2, 0.125), (0.5, 0.06), (1.0, 0.03))


def run(
    target: Target, images: Images, labels: NDArray[np.intp], *, seed: int, epsilon: int = EPSILON, rounds: int = 100
) -> TrialResult:
    """Attack pictures that the model gets right.

    Args:
        images: uint8 (n, h, w, 3). labels: (n,) class indices. epsilon: grey levels of 255. rounds: queries per picture.

    Returns:
        ``robust accuracy`` is the share of all pictures that stay right; with clean accuracy and median queries.
    """
    rng = np.random.default_rng([seed, 61])
    if not len(images):
        return TrialResult(ID, VERSION, Skipped("no pictures to attack"), target.budget, seed, False, 0)
    completed = True
    margin = np.full(len(images), np.inf)
    needed = np.zeros(len(images), np.intp)
    clean = 0
    try:
        margin = margins(target.ask(images), labels)
        clean = int((margin > 0).sum())
        needed = _attack(target, images, labels, margin, rng, epsilon, rounds)
    except Spent:
        completed = False
    right = int((margin > 0).sum()) if completed else clean
    fooled = needed[(margin <= 0) & (needed > 0)]
    measures = (
        proportion("clean accuracy", clean, len(images)),
        proportion("robust accuracy", right, len(images)),
        Measure("epsilon", epsilon, "grey levels of 255"),
        Measure("queries per picture", rounds),
        Measure("median queries of a success", float(np.median(fooled)) if len(fooled) else 0.0),
    )
    return TrialResult(ID, VERSION, Passed(measures), target.budget, seed, completed, target.used)


def margins(scores: Scores, labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Own score minus the best other; negative where the model is wrong."""
    own = scores[np.arange(len(scores)), labels].astype(np.float64)
    rest = scores.astype(np.float64).copy()
    rest[np.arange(len(scores)), labels] = -np.inf
    return np.asarray(own - rest.max(axis=1))


def _attack(
    target: Target, images: Images, labels: NDArray[np.intp], margin: NDArray[np.float64],
    rng: np.random.Generator, epsilon: int, rounds: int,
) -> NDArray[np.intp]:  # fmt: skip
    """Change `margin` in place; queries that each success took."""
    n, height, width, _ = images.shape
    stripes = rng.choice([-epsilon, epsilon], (n, 1, width, 3))
    best = np.clip(images.astype(np.int16) + stripes, 0, 255).astype(np.uint8)
    needed = np.zeros(n, np.intp)
    alive = np.flatnonzero(margin > 0)
    _keep(target, best, best[alive].copy(), labels, margin, alive, needed, 1, force=True)
    for step in range(2, rounds + 1):
        alive = np.flatnonzero(margin > 0)
        if not len(alive):
            break
        side = max(1, int(round(np.sqrt(_share(step / rounds) * height * width))))
        trial = best[alive].copy()
        for row, index in zip(trial, alive, strict=True):
            y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
            patch = images[index, y : y + side, x : x + side].astype(np.int16) + rng.choice(
                [-epsilon, epsilon], (1, 1, 3)
            )
            row[y : y + side, x : x + side] = np.clip(patch, 0, 255)
        _keep(target, best, trial, labels, margin, alive, needed, step)
    return needed


def _share(progress: float) -> float:
    """Share of the picture that a square covers, falling as the attack goes on."""
    return next(share for until, share in STEPS if progress <= until) * START_SHARE * 10


def _keep(
    target: Target, best: Images, trial: Images, labels: NDArray[np.intp], margin: NDArray[np.float64],
    rows: NDArray[np.intp], needed: NDArray[np.intp], step: int, *, force: bool = False,
) -> None:  # fmt: skip
    """Ask for the candidates and keep those that lower the margin."""
    if not len(rows):
        return
    value = margins(target.ask(trial), labels[rows])
    better = value < margin[rows]
    best[rows[better]] = trial[better]
    if force:
        best[rows] = trial
    margin[rows[better]] = value[better]
    needed[rows[better & (value <= 0)]] = step


def default_budget(pictures: int, rounds: int = 100) -> Budget:
    """Enough queries to run to the end."""
    return Budget(pictures * (rounds + 2), 300.0)
