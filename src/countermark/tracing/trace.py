"""Trace: which licensees a copy speaks of, at a stated rate of false accusations.

The bound needs two things and nothing else: the code words are those of a pseudo-random function under a key that whoever made the copy
does not hold, and the innocent licensee's own copy was not part of it. Then an innocent's word is independent of all that is computed
from the copy, whatever was done to it, and Chernoff's bound for that very copy (`Tail`) is the probability of a score as high.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countermark.tracing.align import ABSENT, Aligned, align
from countermark.tracing.code import Code, Floats, Tail
from countermark.tracing.key import FingerprintKey
from countermark.tracing.spread import STRENGTH, Reading, Seen, Spreader, carries

FALSE_ACCUSATION = 1e-6
"""Probability that a list holds any innocent who is named, as shipped."""
RANKED = 5


@dataclass(frozen=True, slots=True)
class Scored:
    """One licensee: score in spreads of an innocent's, and log10 of the bound on an innocent's probability of it."""

    licensee: str
    score: float
    log10_p: float


@dataclass(frozen=True, slots=True)
class Traced:
    """What a copy tells.

    Attributes:
        named: licensees over the threshold, the highest score first. ranking: the highest five, named or not. licensees: how many were
            asked about. false_accusation: bound for all of them together. threshold: score from which a licensee is named.
        tensors: how each of the original's was found. compared: share of the marked weights that were read.
        changed: median over layers of the change's spread, in units of the layer's.
    """

    named: tuple[Scored, ...]
    ranking: tuple[Scored, ...]
    licensees: int
    false_accusation: float
    threshold: float
    tensors: dict[str, str]
    compared: float
    changed: float


class Fingerprints:
    """Marks and traces copies of one original."""

    def __init__(self, key: FingerprintKey, original: bytes, strength: float = STRENGTH) -> None:
        """Derive what belongs to this original.

        Args:
            key: the owner's. original: digest of its weights (`key.weights_digest`). strength: root mean square of a mark over the
                spread of its layer; the same for marking and tracing.
        """
        self._strength = strength
        self.code = Code(key.derive("bias", original), key.derive("words", original))
        self._spreader = Spreader(key.derive("spread", original))

    def mark(self, licensee: str, weights: Mapping[str, Floats]) -> Iterator[tuple[str, Floats]]:
        """Each tensor of a licensee's copy, by name."""
        word = self.code.word(licensee)
        for name, array in weights.items():
            yield name, self._spreader.mark(name, array, word, self._strength)

    def read(self, original: Mapping[str, Floats], aligned: Mapping[str, Aligned]) -> Reading:
        """The chips of a copy that is aligned."""
        reading = Reading()
        for name, weights in original.items():
            self._spreader.read(name, weights, aligned[name].values, aligned[name].seen, reading)
        return reading

    def accuse(
        self, seen: Seen, licensees: Sequence[str], rate: float = FALSE_ACCUSATION
    ) -> tuple[list[Scored], float]:
        """The licensees who score highest, five or all over the threshold for the whole list, and that threshold.

        Args:
            seen: (CHIPS,) of unit length. rate: probability that anybody innocent on the list reaches it.
        """
        tail = Tail.of(seen, self.code.bias)
        scores, threshold = self.code.scores(seen, licensees), tail.threshold(rate / max(1, len(licensees)))
        most = max(RANKED, int((scores >= threshold).sum()))
        order = np.argsort(-scores, kind="stable")[:most]
        logs = tail.log10_p(scores[order])
        return [Scored(licensees[n], float(scores[n]), float(p)) for n, p in zip(order, logs, strict=True)], threshold

    def trace(
        self,
        original: Mapping[str, Floats],
        suspect: Mapping[str, Floats],
        licensees: Sequence[str],
        rate: float = FALSE_ACCUSATION,
    ) -> Traced:
        """Align a copy, read it, and name whom it speaks of.

        Args:
            original: all tensors of two and more axes, by name; of those that carry no marks the small ones show the order of the
                others' neurons. suspect: the copy's. licensees: distinct names. rate: see `accuse`.
        """
        marked = {name: array for name, array in original.items() if carries(array)}
        aligned = {name: one for name, one in align(original, suspect).items() if name in marked}
        reading = self.read(marked, aligned)
        seen = reading.chips(self.code.bias, self._strength)
        every, threshold = self.accuse(seen, licensees, rate) if seen.any() else ([], float("inf"))
        weights = sum(array.size for array in marked.values())
        read = sum(int(one.seen.sum()) for one in aligned.values() if one.how != ABSENT)
        return Traced(
            tuple(one for one in every if one.score >= threshold), tuple(every[:RANKED]), len(licensees), rate, threshold,
            {name: one.how for name, one in aligned.items()}, read / max(1, weights),
            float(np.median(reading.noise)) if reading.noise else 0.0,
        )  # fmt: skip
