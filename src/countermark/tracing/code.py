"""The code words of licensees: probabilistic codes that name a colluder whatever a coalition does with what it sees.

Sources: G. Tardos, "Optimal probabilistic fingerprint codes", J. ACM 55(2), 2008; symmetric score of Skoric, Katzenbeisser and Celik,
2008; the four biases are the Gauss-Legendre nodes of Nuida et al., "An improvement of discrete Tardos fingerprinting codes", 2009, which
make the expected score of a coalition of up to eight the same for every strategy. Rounded to 1/256, so that a byte decides a bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.tracing.key import licensee_name, named, stream

Floats = NDArray[np.float32]
CHIPS = 8192
"""Bits of a code word."""
COALITION = 8
"""Colluders up to whom the code is built."""
NODES = np.array([18, 84, 172, 238], np.uint8)
_BLOCK = 64
_LAMBDAS = np.geomspace(0.2, 60.0, 64)


class Code:
    """Code words under one key.

    Attributes:
        bias: probability of a one, for each chip, float64 (CHIPS,).
    """

    def __init__(self, bias_key: bytes, word_key: bytes) -> None:
        """Draw the biases, which are secret too."""
        drawn = np.frombuffer(stream(bias_key, CHIPS), np.uint8) & 3
        self._limits = NODES[drawn]
        self._word_key = word_key
        self.bias = self._limits / 256.0

    def word(self, licensee: str) -> Floats:
        """A licensee's code word with the code's mean taken away: 2 (bit - bias), (CHIPS,)."""
        bits = self._bits([licensee])[0]
        word: Floats = (2.0 * (bits - self.bias)).astype(np.float32)
        return word

    def scores(self, seen: NDArray[np.float64], licensees: Sequence[str]) -> NDArray[np.float64]:
        """Symmetric score of each licensee, (n,): the product of what was seen with the standardised word.

        Args:
            seen: (CHIPS,) of unit length, so that an innocent's score has mean 0 and spread 1.
        """
        weights = seen / np.sqrt(self.bias * (1 - self.bias))
        centre = float(self.bias @ weights)
        w32 = weights.astype(np.float32)
        out = [bits.astype(np.float32) @ w32 - centre for bits in self._blocks(licensees)]
        return np.concatenate(out).astype(np.float64) if out else np.empty(0)

    def _blocks(self, licensees: Sequence[str]) -> Iterator[NDArray[np.bool_]]:
        for at in range(0, len(licensees), _BLOCK):
            yield self._bits(licensees[at : at + _BLOCK])

    def _bits(self, licensees: Sequence[str]) -> NDArray[np.bool_]:
        drawn = b"".join(stream(named(self._word_key, licensee_name(who)), CHIPS) for who in licensees)
        bits: NDArray[np.bool_] = np.frombuffer(drawn, np.uint8).reshape(-1, CHIPS) < self._limits
        return bits


@dataclass(frozen=True, slots=True)
class Tail:
    """How improbable an innocent's score is, given what was seen: Chernoff's bound, exact in the biases.

    Words are drawn independently of the copy by whoever does not hold the key, so that an innocent's score is a sum of independent
    two-valued terms with known probabilities, whatever the copy is. For every rate r > 0, P(score >= s) <= exp(K(r) - r s), where K is
    the sum's cumulant generating function; the least of these over fixed rates bounds the probability without further assumption.

    Attributes:
        rates: (m,), all above 0. cumulants: K at each.
    """

    rates: NDArray[np.float64]
    cumulants: NDArray[np.float64]

    @classmethod
    def of(cls, seen: NDArray[np.float64], bias: NDArray[np.float64]) -> Tail:
        """The bound for what was seen, (CHIPS,) of unit length."""
        spread = np.sqrt(bias * (1 - bias))
        one, zero = seen * (1 - bias) / spread, -seen * bias / spread
        log_one, log_zero = np.log(bias), np.log1p(-bias)
        sums = [float(np.logaddexp(log_one + r * one, log_zero + r * zero).sum()) for r in _LAMBDAS]
        return cls(_LAMBDAS, np.array(sums))

    def log10_p(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """log10 of the bound for each score; 0 where it says nothing."""
        exponents = self.cumulants[:, None] - self.rates[:, None] * np.atleast_1d(scores)[None, :]
        out: NDArray[np.float64] = np.minimum(exponents.min(axis=0), 0.0) / np.log(10)
        return out

    def threshold(self, p: float) -> float:
        """Least score whose bound is `p`."""
        return float(np.min((self.cumulants - np.log(p)) / self.rates))
