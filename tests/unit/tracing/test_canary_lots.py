"""Canaries: the p-value against all coins, what is invariant in it, keys, and an owner who tries many."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

from countermark.errors import CountermarkError, StatementRefused
from countermark.tracing.canary import CanaryKey, Half, Pair, after_tries
from countermark.tracing.hardness import hardness
from countermark.tracing.lots import LEAST_P, LEVELS, compare, known, tail


def pairs(count: int) -> list[Pair]:
    return [Pair("nut", (Half(f"nut/{n}a.png", bytes([n % 256, n // 256, 1] + [0] * 29)),
                         Half(f"nut/{n}b.png", bytes([n % 256, n // 256, 2] + [0] * 29)))) for n in range(count)]  # fmt: skip


def tossed(differences: np.ndarray, coins: np.ndarray) -> float:
    """p where coins decide which half was delivered."""
    signed = differences * (1 - 2.0 * coins)
    return compare(signed, np.zeros(len(signed))).p


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_the_tail_is_that_of_all_coins(count: int, rng: np.random.Generator) -> None:
    levels = rng.integers(1, LEVELS + 1, count)
    sums = np.array([np.dot(levels, bits) for bits in itertools.product((0, 1), repeat=count)])
    for least in range(int(levels.sum()) + 1):
        share = (sums >= least).mean()
        assert share <= tail(levels, least) <= share * (1 + 1e-8)


@pytest.mark.parametrize("kind", ["normal", "ties", "one large", "all alike", "zeros"])
def test_an_innocent_model_passes_each_level_at_most_so_often(kind: str, rng: np.random.Generator) -> None:
    """Over all 256 coins: whatever the differences are, p <= a for at most a share a of the coins."""
    sizes = {"normal": rng.normal(size=8), "ties": rng.integers(1, 3, 8).astype(float), "one large": np.r_[1e9, rng.normal(size=7)],
             "all alike": np.ones(8), "zeros": np.r_[np.zeros(6), rng.normal(size=2)]}[kind]  # fmt: skip
    ps = np.array([tossed(sizes, np.array(bits)) for bits in itertools.product((0, 1), repeat=8)])
    for level in np.unique(ps):
        assert (ps <= level).mean() <= level * (1 + 1e-9)
    assert ps.max() <= 1 and (kind == "zeros" or ps.min() <= 4 / 256)


def test_power_and_the_other_direction(rng: np.random.Generator) -> None:
    noise = rng.normal(size=1000)
    assert compare(noise + 0.3, np.zeros(1000)).p < 1e-12
    assert compare(noise - 0.3, np.zeros(1000)).p > 0.999
    assert compare(np.ones(2000), np.zeros(2000)).p == LEAST_P
    assert compare(np.zeros(0), np.zeros(0)).p == 1
    same = compare(np.ones(5), np.ones(5))
    assert (same.p, same.pairs, same.decided) == (1, 5, 0)


def test_what_is_known_is_the_same_of_logits_and_of_probabilities(rng: np.random.Generator) -> None:
    logits, truth = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    whole = np.exp(logits)
    probabilities = whole / whole.sum(axis=1, keepdims=True)
    assert np.allclose(known(logits, truth), known(probabilities, truth))
    assert np.isfinite(known(np.eye(4)[truth], truth)).all()
    assert known(np.array([[3.0, 3.0]]), np.array([0]))[0] == pytest.approx(np.log(0.5))


def test_keys_come_back_and_say_nothing() -> None:
    key = CanaryKey(bytes(range(32)), pairs(300))
    again = CanaryKey.from_bytes(key.to_bytes())
    assert again.pairs == key.pairs and again.commitment == key.commitment and (again.coins() == key.coins()).all()
    assert "0001" not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)
    delivered, withheld = key.split()
    assert {delivered[5], withheld[5]} == set(key.pairs[5].halves)
    assert 100 < key.coins().sum() < 200


def test_who_changes_one_pair_tosses_all_coins_anew() -> None:
    key = CanaryKey(bytes(32), pairs(400))
    other = CanaryKey(bytes(32), pairs(401)[1:])
    assert 140 < (key.coins()[1:] != other.coins()[:-1]).sum() < 260
    assert key.commitment != other.commitment


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"secret": "00"}, {"pairs": []}, {"pairs": [["nut", ["nut/a", "0" * 64]]]}, {"more": 1},
        {"pairs": [["nut", ["nut/a", "0" * 64], ["nut/a", "1" * 64]]]}, {"pairs": [["nut", ["nut/a", "0" * 64], ["nut/b", "0" * 64]]]},
        {"pairs": [["nut", ["nut/a", "0" * 64], ["screw/b", "1" * 64]]]}, {"pairs": [["nut", ["nut/../a", "0" * 64], ["nut/b", "1" * 64]]]},
        {"pairs": [["nut", ["nut/a", "0" * 63], ["nut/b", "1" * 64]]]}, {"pairs": 3},
    ],
    ids=str,
)  # fmt: skip
def test_malformed_keys_are_refused(change: dict[str, object]) -> None:
    from countermark import canonical

    good = canonical.object_from_bytes(CanaryKey(bytes(32), pairs(2)).to_bytes())
    with pytest.raises(CountermarkError):
        CanaryKey.from_bytes(canonical.to_bytes(good | change))


def test_too_many_pairs_are_refused() -> None:
    with pytest.raises(StatementRefused):
        CanaryKey(bytes(32), pairs(10_001))


def test_an_owner_who_tries_keys_gains_what_is_said(rng: np.random.Generator) -> None:
    """The attack: records of unlike difficulty, an innocent model, 200 keys, the best kept. The other side: p times the tries holds."""
    difficulty, listed = rng.normal(size=60), pairs(60)
    tried = [tossed(difficulty, CanaryKey(n.to_bytes(32, "big"), listed).coins()) for n in range(200)]
    assert min(tried) < 0.03 and min(tried) * len(tried) > 0.05
    assert np.mean(np.array(tried) <= 0.1) < 0.15
    assert after_tries(1e-30) < 1e-10 and after_tries(min(tried)) == 1


def test_the_hardest_lie_among_another_class(rng: np.random.Generator) -> None:
    pixels = np.r_[rng.integers(0, 100, (40, 8)), rng.integers(150, 256, (40, 8))].astype(np.uint8)
    classes = np.repeat([0, 1], 40)
    classes[[3, 50]] = 1 - classes[[3, 50]]
    found = hardness(pixels, classes)
    assert set(np.argsort(-found)[:2]) == {3, 50}
    assert np.isfinite(hardness(pixels, np.zeros(80, np.int64))).all()
