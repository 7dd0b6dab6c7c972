"""An owner of a small network of plausible weights, with fingerprints under a fixed key: nothing here is trained."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from countermark.tracing.key import FingerprintKey
from countermark.tracing.trace import Fingerprints

LAYERS = ["0.weight", "1.weight", "2.weight"]
SIZES = (48, 192, 128, 12)


def network(seed: int = 0) -> dict[str, np.ndarray]:
    """A perceptron of three layers: matrices (out, in) that are not white, as those of trained networks are not."""
    rng, out = np.random.default_rng(seed), {}
    for at, (into, of) in enumerate(pairwise(SIZES)):
        low = rng.normal(size=(of, 6)) @ rng.normal(size=(6, into)) / 6
        out[f"{at}.weight"] = ((rng.normal(size=(of, into)) + low) / into**0.5).astype(np.float32)
        out[f"{at}.bias"] = rng.normal(0, 0.1, of).astype(np.float32)
    return out


def answers(weights: dict[str, np.ndarray], inputs: np.ndarray, activation=lambda x: np.maximum(x, 0)) -> np.ndarray:
    hidden = inputs
    for at in range(3):
        hidden = hidden @ weights[f"{at}.weight"].T + weights[f"{at}.bias"]
        hidden = activation(hidden) if at < 2 else hidden
    return hidden


class Owner:
    """An original, its fingerprints, a list of licensees."""

    def __init__(self, strength: float = 0.03) -> None:
        self.weights = network()
        self.carriers = {n: w for n, w in self.weights.items() if w.ndim == 2}
        self.prints = Fingerprints(FingerprintKey(bytes(range(32))), bytes(32), strength)
        self.licensees = [f"plant-{n}" for n in range(500)]

    def copy(self, licensee: str) -> dict[str, np.ndarray]:
        return self.weights | dict(self.prints.mark(licensee, self.carriers))

    def trace(self, suspect: dict[str, np.ndarray], rate: float = 1e-6):
        return self.prints.trace(self.carriers, suspect, self.licensees, rate)

    def named(self, suspect: dict[str, np.ndarray]) -> set[str]:
        return {one.licensee for one in self.trace(suspect).named}
