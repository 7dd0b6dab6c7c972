"""The code: derived, not stored; no strategy of a coalition hides it; the bound holds, and is not far off."""

from __future__ import annotations

import math
import pickle
from itertools import product

import numpy as np
import pytest
from scipy.special import ndtr

from countermark.errors import Unusable
from countermark.tracing.code import CHIPS, COALITION, NODES, Code, Tail
from countermark.tracing.key import FingerprintKey, licensee_name, stream, weights_digest

CODE = Code(bytes(32), bytes([1]) * 32)


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values)


def seen_kinds() -> dict[str, np.ndarray]:
    rng, word = np.random.default_rng(3), CODE.word("guilty").astype(float)
    few = np.zeros(CHIPS)
    few[:40] = rng.normal(size=40)
    return {
        "a copy": word,
        "noise": word + rng.normal(0, 8, CHIPS),
        "far values": rng.standard_t(1.2, CHIPS),
        "few chips": few,
    }


def test_a_key_tells_nothing_but_its_commitment() -> None:
    key = FingerprintKey.generate()
    secret = key.to_bytes().split()[1].decode()
    assert secret not in repr(key) and secret not in str(key) and secret != key.commitment
    assert (
        FingerprintKey.from_bytes(key.to_bytes()).commitment == key.commitment != FingerprintKey.generate().commitment
    )
    with pytest.raises(TypeError):
        pickle.dumps(key)
    for wrong in (b"", b"countermark-fingerprint-key-v1 00", key.to_bytes() * 2, key.to_bytes().upper()):
        with pytest.raises(Unusable):
            FingerprintKey.from_bytes(wrong)
    with pytest.raises(Unusable):
        FingerprintKey(bytes(31))


def test_what_is_derived_differs_by_purpose_and_original() -> None:
    key = FingerprintKey(bytes(32))
    made = {
        key.derive(purpose, original)
        for purpose in ("words", "bias", "spread")
        for original in (b"", b"a" * 32, b"b" * 32)
    }
    assert len(made) == 9 and all(len(one) == 32 for one in made)
    assert len(stream(bytes(32), 100)) == 100


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\x00", "e\u0301", "x" * 257, "\udcff"])
def test_names_that_could_be_taken_for_others_are_refused(name: str) -> None:
    with pytest.raises(Unusable):
        licensee_name(name)


def test_the_digest_binds_every_part() -> None:
    base = [("w", "F32", (2, 3), b"abc")]
    others = [[("v", "F32", (2, 3), b"abc")], [("w", "F16", (2, 3), b"abc")], [("w", "F32", (3, 2), b"abc")], [("w", "F32", (2, 3), b"abd")],
              base * 2, []]  # fmt: skip
    assert len({weights_digest(one) for one in [base, *others]}) == 7


def test_words_are_those_of_their_licensee_and_key() -> None:
    assert np.array_equal(CODE.word("a"), Code(bytes(32), bytes([1]) * 32).word("a"))
    other = Code(bytes(32), bytes([2]) * 32).word("a")
    for word in (other, CODE.word("b")):
        assert abs(np.corrcoef(CODE.word("a"), word)[0, 1]) < 0.05
    assert set(np.unique(CODE.bias * 256).astype(int)) == set(NODES.tolist())


def test_scores_are_products_with_standard_words() -> None:
    seen = unit(np.random.default_rng(1).normal(size=CHIPS))
    spread = np.sqrt(CODE.bias * (1 - CODE.bias))
    expected = [float((CODE.word(who) / (2 * spread)) @ seen) for who in ("a", "b", "c")]
    assert np.allclose(CODE.scores(seen, ["a", "b", "c"]), expected, atol=1e-4)
    assert CODE.scores(seen, []).shape == (0,)


@pytest.mark.parametrize("size", range(2, COALITION + 1))
def test_no_strategy_lowers_a_coalitions_mean_score(size: int) -> None:
    """For every rule from the number of ones to an output, the mean over the biases of the coalition's score is the same, 0.72 a chip."""
    p = NODES / 256.0
    one, zero = np.sqrt((1 - p) / p), -np.sqrt(p / (1 - p))
    rules = (
        list(product([-1.0, 1.0], repeat=size - 1))
        if size <= 6
        else np.random.default_rng(size).choice([-1.0, 1.0], (200, size - 1))
    )
    means = []
    for rule in rules:
        outputs = [-1.0, *rule, 1.0]  # where all agree, all they can do is agree
        share = [
            math.comb(size, k) * p**k * (1 - p) ** (size - k) * (k * one + (size - k) * zero) for k in range(size + 1)
        ]
        means.append(sum(float(np.mean(s)) * y for s, y in zip(share, outputs, strict=True)))
    assert min(means) > 0.65 and max(means) < 0.80


def test_fair_coins_would_let_three_hide() -> None:
    """Why the code is what it is: with bits that are fair coins, three who take the minority's value have a mean score of nothing."""
    total = sum(math.comb(3, k) / 8 * (2 * k - 3) * y for k, y in enumerate([-1, 1, -1, 1]))
    assert total == 0


@pytest.mark.parametrize("kind", list(seen_kinds()))
def test_the_bound_holds_for_innocents_and_is_near(kind: str) -> None:
    seen = unit(seen_kinds()[kind])
    tail = Tail.of(seen, CODE.bias)
    rng = np.random.default_rng(11)
    weights = seen / np.sqrt(CODE.bias * (1 - CODE.bias))
    scores = np.concatenate([
        ((rng.integers(0, 256, (500, CHIPS), dtype=np.uint8) < CODE._limits) @ weights - CODE.bias @ weights) for _ in range(40)
    ])  # fmt: skip
    logs = tail.log10_p(scores)
    for level in (0.1, 0.01, 0.001):
        share = float(np.mean(logs <= np.log10(level)))
        assert share <= level + 3 * math.sqrt(level / len(scores))
        assert share == float(np.mean(scores >= tail.threshold(level) - 1e-12))
    assert abs(float(scores.mean())) < 0.05 and 0.9 < float(scores.std()) < 1.1


def test_the_bound_is_within_a_seventh_of_the_normal_tails_threshold() -> None:
    tail = Tail.of(unit(CODE.word("guilty").astype(float)), CODE.bias)
    for p in (1e-6, 1e-10, 1e-12):
        normal = next(x for x in np.arange(2, 9, 0.01) if ndtr(-x) <= p)
        assert normal <= tail.threshold(p) <= 1.15 * normal
    assert tail.log10_p(np.array([-3.0, 0.0]))[1] <= 0 and tail.log10_p(np.array([-3.0]))[0] == 0
