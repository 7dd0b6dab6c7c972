"""evasion/square: black-box, score-based evasion within an L-infinity ball.

Source: Andriushchenko, Croce, Flammarion and Hein, "Square Attack" (ECCV 2020), L-infinity version: vertical stripes
first, then random squares of shrinking size, each set to plus or minus epsilon per channel, kept where the margin
falls. All pictures are attacked side by side, so that one call to the model serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.errors import Unusable
from countermark.finding import Measure, Passed, Skipped
from countermark.trials.target import Budget, Images, Scores, Spent, Target, TrialResult, proportion

ID, VERSION = "evasion/square", 2
EPSILON = 8
SHARE = 0.8
# The paper starts at 0.05 for 10,000 queries and at 0.8 on MNIST; measured best of 0.05, 0.15, 0.3, 0.5 and 0.8 at 60.
# Where the paper halves the share, as parts of the whole run (its 10, 50, 200... of 10,000 steps).
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def run(
    target: Target, images: Images, labels: NDArray[np.intp], *, seed: int, epsilon: int = EPSILON, rounds: int = 100
) -> TrialResult:
    """Attack pictures that the model gets right.

    Args:
        images: uint8 (n, h, w, 3). labels: (n,) class indices. epsilon: grey levels of 255, 1..255.
        rounds: queries per picture, the first look not counted.

    Returns:
        ``robust accuracy`` is the share of all pictures that stay right. It is an upper bound: a longer or another
        attack may fool more. Where the budget ended the run, the measures are those reached until there.

    Raises:
        Unusable: arguments that do not fit each other. ExchangeRefused: the model does not answer properly.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(labels) or not 1 <= epsilon <= 255:
        raise Unusable(f"{images.dtype} pictures {images.shape}, {len(labels)} labels and epsilon {epsilon} do not fit")
    if not len(images):
        return TrialResult(ID, VERSION, Skipped("no pictures to attack"), target.budget, seed, False, 0)
    try:
        margin = margins(target.ask(images), labels)
    except Spent:
        reason = "the budget does not cover one look at every picture"
        return TrialResult(ID, VERSION, Skipped(reason), target.budget, seed, False, target.used)
    clean = int((margin > 0).sum())
    attack = _Attack(target, images, labels, margin, np.zeros(len(images), np.intp), epsilon, images.copy())
    completed = attack.run(np.random.default_rng([seed, 61]), rounds)
    fooled = attack.needed[attack.needed > 0]
    measures = [
        proportion("clean accuracy", clean, len(images)),
        proportion("robust accuracy", int((attack.margin > 0).sum()), len(images)),
        proportion("attack success rate", len(fooled), clean),
        Measure("epsilon", epsilon, "grey levels of 255"),
        Measure("queries per picture", rounds),
        Measure("repeated queries", target.repeated),
    ]
    if len(fooled):
        measures.append(Measure("median queries of a success", float(np.median(fooled))))
    return TrialResult(ID, VERSION, Passed(tuple(measures)), target.budget, seed, completed, target.used)


def margins(scores: Scores, labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Own score minus the best other; not positive where the model is wrong.

    Raises:
        Unusable: a label that the model has no score for.
    """
    if len(labels) and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise Unusable(f"labels from {labels.min()} to {labels.max()} for {scores.shape[1]} scores")
    rows = np.arange(len(scores))
    rest = scores.astype(np.float64)
    own = rest[rows, labels].copy()
    rest[rows, labels] = -np.inf
    return np.asarray(own - rest.max(axis=1))


@dataclass(slots=True)
class _Attack:
    """All pictures at once: margins so far, queries of each success, and the best candidate of each."""

    target: Target
    images: Images
    labels: NDArray[np.intp]
    margin: NDArray[np.float64]
    needed: NDArray[np.intp]
    epsilon: int
    best: Images

    def run(self, rng: np.random.Generator, rounds: int) -> bool:
        """Whether the attack ran to its end."""
        try:
            for step in range(1, rounds + 1):
                alive = np.flatnonzero(self.margin > 0)
                if not len(alive):
                    break
                self._try(
                    alive, self._stripes(rng, alive) if step == 1 else self._squares(rng, alive, step / rounds), step
                )
        except Spent:
            return False
        return True

    def _stripes(self, rng: np.random.Generator, alive: NDArray[np.intp]) -> Images:
        change = self.epsilon * rng.choice([-1, 1], (len(alive), 1, self.images.shape[2], self.images.shape[3]))
        return np.asarray(np.clip(self.images[alive].astype(np.int16) + change, 0, 255), np.uint8)

    def _squares(self, rng: np.random.Generator, alive: NDArray[np.intp], progress: float) -> Images:
        height, width, channels = self.images.shape[1:]
        side = min(max(1, round(float(np.sqrt(share(progress) * height * width)))), height, width)
        trial = self.best[alive]
        corners = rng.integers(0, [height - side + 1, width - side + 1], (len(alive), 2))
        colours = self.epsilon * rng.choice([-1, 1], (len(alive), 1, 1, channels))
        for row, index, (y, x), colour in zip(trial, alive, corners, colours, strict=True):
            patch = self.images[index, y : y + side, x : x + side].astype(np.int16) + colour
            row[y : y + side, x : x + side] = np.clip(patch, 0, 255)
        return np.asarray(trial, np.uint8)

    def _try(self, alive: NDArray[np.intp], trial: Images, step: int) -> None:
        """Ask, and keep what lowers the margin; the stripes are the start whatever they do."""
        value = margins(self.target.ask(trial), self.labels[alive])
        better = (value < self.margin[alive]) | (step == 1)
        self.best[alive[better]] = trial[better]
        self.margin[alive[better]] = value[better]
        self.needed[alive[better & (value <= 0)]] = step


def share(progress: float) -> float:
    """Share of the picture that a square covers at this part of the run, 0..1."""
    return float(SHARE * 0.5 ** sum(progress > at for at in HALVINGS))


def default_budget(pictures: int, rounds: int = 100) -> Budget:
    """Enough queries to run to the end: one look and `rounds` candidates a picture."""
    return Budget(pictures * (rounds + 1), 300.0)
