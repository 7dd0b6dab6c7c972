"""How likely each row's label is wrong: a two-part mixture whose parts are both taken from the data.

Right labels: margins of rows nobody suspects. Wrong labels: margins of the same rows under a label drawn at
random, as if flipped. The share of wrong labels among the rows asked about is estimated by expectation
maximisation (Dempster, Laird and Rubin, JRSS B 1977); the posterior then carries its own expected precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
BINS = 24
STEPS = 200
PSEUDO = 16.0


def margins(scores: Floats, label: Rows) -> Floats:
    """Best other class minus own class: (n,); positive where a row looks like another class.

    Args:
        scores: float64 (n, classes). label: (n,) class codes.
    """
    at = np.arange(len(scores))
    rest = scores.copy()
    rest[at, label] = -np.inf
    return np.asarray(rest.max(axis=1) - scores[at, label])


@dataclass(frozen=True, slots=True)
class WrongLabels:
    """Likelihood ratios of wrong against right labels over bins of the margin.

    Attributes:
        edges: inner bin edges, ascending. ratio: one ratio a bin, not decreasing.
        middle: median margin of a wrong label.
    """

    edges: Floats
    ratio: Floats
    middle: float

    @classmethod
    def learn(cls, scores: Floats, label: Rows, honest: Rows, seed: int) -> WrongLabels:
        """Learn both parts from the rows in `honest`.

        Args:
            scores: out-of-fold or left-out class scores (n, classes), at least two classes.
        """
        rng = np.random.default_rng([seed, 47])
        own = label[honest]
        wrong = (own + rng.integers(1, scores.shape[1], len(own))) % scores.shape[1]
        right_margin, wrong_margin = margins(scores[honest], own), margins(scores[honest], wrong)
        edges = np.quantile(np.concatenate([right_margin, wrong_margin]), np.linspace(0, 1, BINS + 1)[1:-1])
        right, bad = (
            np.bincount(np.searchsorted(edges, m), minlength=BINS) + 0.5 for m in (right_margin, wrong_margin)
        )
        # More margin never makes a label more credible: dips are noise of small bins.
        return cls(edges, np.maximum.accumulate(bad / right), float(np.median(wrong_margin)))

    def share(self, margin: Floats) -> float:
        """Estimated share of wrong labels among rows with these margins."""
        ratio, share = self.ratio[np.searchsorted(self.edges, margin)], 0.1
        for _ in range(STEPS):
            share = float(np.mean(share * ratio / (share * ratio + 1 - share)))
        return share

    def shares(self, margin: Floats, group: Rows) -> Floats:
        """Estimated share of wrong labels among rows of each row's group: (n,).

        A group's share is drawn towards the mean of all groups by as much as `PSEUDO` rows weigh (empirical Bayes), so that
        wrong labels in one class of a supplier do not make its other classes suspect.

        Args:
            margin: (n,). group: (n,) codes.
        """
        ratio = self.ratio[np.searchsorted(self.edges, margin)]
        kinds, group = np.unique(group, return_inverse=True)
        count, share = np.bincount(group), np.full(len(kinds), self.share(margin))
        for _ in range(STEPS):
            bad = share[group] * ratio / (share[group] * ratio + 1 - share[group])
            share = (np.bincount(group, bad) + PSEUDO * share.mean()) / (count + PSEUDO)
        return np.asarray(share[group])

    def posterior(self, margin: Floats, share: float | Floats) -> Floats:
        """Probability that each label is wrong, given the share of wrong ones."""
        ratio = self.ratio[np.searchsorted(self.edges, margin)]
        return np.asarray(share * ratio / (share * ratio + 1 - share))

    def within(self, margin: Floats, share: float) -> Floats:
        """Probability that each label is wrong, of the very rows that were learnt from and hold a share of wrong ones.

        Their own margins are the mixture then: share times wrong over all observed (local false discovery rate, Efron,
        "Large-scale simultaneous hypothesis testing", JASA 2004).
        """
        return np.asarray(np.minimum(1.0, share * self.ratio[np.searchsorted(self.edges, margin)]))
