"""Trials: what they measure on models whose answer is known, and what a budget does to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countermark.errors import ExchangeRefused, FormatRefused, Unusable
from countermark.finding import Skipped
from countermark.lifecycle.trial import picture_size, read_model
from countermark.trials.evasion import square
from countermark.trials.stealing import extraction
from countermark.trials.target import Budget, Spent, Target, TrialResult, proportion

SIDE = 16
RNG = np.random.default_rng(7)
WEIGHTS = RNG.normal(size=(SIDE * SIDE * 3, 4)).astype(np.float32) / 255
IMAGES = RNG.integers(0, 256, (60, SIDE, SIDE, 3), dtype=np.uint8)


def linear(images: Any) -> Any:
    return images.reshape(len(images), -1).astype(np.float32) @ WEIGHTS


def stubborn(images: Any) -> Any:
    """Says class 1 to everything, by a wide margin."""
    return np.tile(np.array([0, 9, 0, 0], np.float32), (len(images), 1))


LABELS = linear(IMAGES).argmax(axis=1)


def values(result: TrialResult) -> dict[str, float]:
    return {m.name: m.value for m in result.outcome.measures}


def attack(predict: Any = linear, labels: Any = LABELS, queries: int = 10**6, **options: Any) -> TrialResult:
    return square.run(Target(predict, Budget(queries)), IMAGES, labels, seed=3, **options)


def test_square_fools_a_linear_model_and_more_so_with_more_room() -> None:
    robust = [values(attack(epsilon=e, rounds=60))["robust accuracy"] for e in (1, 16, 80)]
    assert robust[0] > robust[1] > robust[2]
    assert robust[2] < 0.2


def test_every_adversarial_picture_stays_in_the_ball_and_the_counts_are_true() -> None:
    seen: list[Any] = []

    def watch(images: Any) -> Any:
        seen.append(images.copy())
        return linear(images)

    target = Target(watch, Budget(10**6))
    result = square.run(target, IMAGES[:1], LABELS[:1], seed=0, epsilon=8, rounds=40)
    asked = np.concatenate(seen).astype(int)
    assert np.abs(asked - IMAGES[:1].astype(int)).max() <= 8
    assert target.used == result.used == len(asked)
    assert target.repeated == len(asked) - len(np.unique(asked.reshape(len(asked), -1), axis=0))


def test_a_model_that_never_changes_its_mind_is_not_fooled() -> None:
    labels = np.ones(len(IMAGES), np.intp)
    found = values(attack(stubborn, labels, rounds=20))
    assert (found["clean accuracy"], found["robust accuracy"], found["attack success rate"]) == (1, 1, 0)
    assert "median queries of a success" not in found


def test_pictures_that_are_wrong_anyway_are_no_success() -> None:
    found = values(attack(stubborn, np.zeros(len(IMAGES), np.intp), rounds=20))
    assert (found["clean accuracy"], found["robust accuracy"], found["attack success rate"]) == (0, 0, 0)


def test_the_same_seed_gives_the_same_outcome_and_another_seed_another_attack() -> None:
    one, two = attack(rounds=30, epsilon=2), attack(rounds=30, epsilon=2)
    assert one.to_json() == two.to_json()
    other = square.run(Target(linear, Budget(10**6)), IMAGES, LABELS, seed=4, rounds=30, epsilon=2)
    assert other.used != one.used


def test_a_crossed_budget_is_never_passed_off_as_the_end() -> None:
    full = attack(rounds=60, epsilon=4)
    part = attack(rounds=60, epsilon=4, queries=len(IMAGES) * 2)
    assert full.completed
    assert not part.completed
    assert part.used <= len(IMAGES) * 2
    assert values(full)["robust accuracy"] < values(part)["robust accuracy"] <= values(part)["clean accuracy"]
    none = attack(queries=len(IMAGES) - 1)
    assert isinstance(none.outcome, Skipped)
    assert (none.completed, none.used) == (False, 0)


def test_time_is_a_budget_too() -> None:
    ticks = iter(range(100))
    target = Target(linear, Budget(10**6, seconds=2.5), clock=lambda: float(next(ticks)))
    result = square.run(target, IMAGES, LABELS, seed=0, epsilon=1, rounds=60)
    assert not result.completed
    assert target.used <= 2 * len(IMAGES)


@pytest.mark.parametrize(
    ("images", "labels", "epsilon"),
    [(IMAGES.astype(np.float32), LABELS, 8), (IMAGES, LABELS[:3], 8), (IMAGES[0], LABELS, 8), (IMAGES, LABELS, 0),
     (IMAGES, LABELS + 9, 8), (IMAGES, LABELS - 9, 8)],
    ids=range(6),
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(images: Any, labels: Any, epsilon: int) -> None:
    with pytest.raises(Unusable):
        square.run(Target(linear, Budget(10**6)), images, labels, seed=0, epsilon=epsilon)


def test_nothing_to_attack_is_not_a_pass() -> None:
    result = square.run(Target(linear, Budget(9)), IMAGES[:0], LABELS[:0], seed=0)
    assert isinstance(result.outcome, Skipped)
    assert not result.completed


def test_squares_shrink() -> None:
    shares = [square.share(p) for p in np.linspace(0, 1, 50)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == square.SHARE


def blobs(count: int, seed: int) -> Any:
    """Two kinds of pictures that a thief can tell apart: bright above or bright below."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, (count, SIDE, SIDE, 3))
    upper = rng.random(count) < 0.5
    images[upper, : SIDE // 2] += 120
    images[~upper, SIDE // 2 :] += 120
    return images.astype(np.uint8)


def halves(images: Any) -> Any:
    difference = images[:, : SIDE // 2].mean(axis=(1, 2, 3)) - images[:, SIDE // 2 :].mean(axis=(1, 2, 3))
    return np.stack([difference, -difference], axis=1).astype(np.float32) / 255


def steal(queries: int = 10**6, predict: Any = halves, **options: Any) -> TrialResult:
    return extraction.run(Target(predict, Budget(queries)), blobs(400, 1), blobs(150, 2), seed=5, **options)


def test_an_easy_model_is_stolen_by_every_form_of_answer() -> None:
    found = values(steal())
    assert {n for n in found if n.endswith(" queries")} == {
        f"fidelity, {f}, {s} queries" for f in extraction.FORMS for s in (100, 300)
    }
    assert min(v for n, v in found.items() if n.endswith("300 queries")) > 0.95
    assert 0.3 < found["fidelity of always the commonest class"] < 0.7


def test_random_answers_cannot_be_stolen() -> None:
    rng = np.random.default_rng(0)
    found = values(steal(predict=lambda x: rng.random((len(x), 5)).astype(np.float32)))
    assert max(v for n, v in found.items() if n.startswith("fidelity, ")) < 0.45


def test_the_curve_stops_where_the_budget_does() -> None:
    part = steal(queries=150 + 100)
    assert not part.completed
    assert {n for n in values(part) if n.endswith(" queries")} == {
        f"fidelity, {f}, 100 queries" for f in extraction.FORMS
    }
    none = steal(queries=160)
    assert isinstance(none.outcome, Skipped)
    assert (none.completed, none.used) == (False, 150)


def test_stealing_repeats_with_its_seed() -> None:
    assert steal().to_json() == steal().to_json()


def test_too_few_pictures_are_no_pass() -> None:
    assert isinstance(steal(sizes=(1000,)).outcome, Skipped)
    with pytest.raises(Unusable):
        extraction.run(Target(halves, Budget(9)), blobs(9, 1), blobs(9, 1)[:, :8], seed=0)


def test_the_target_counts_rows_and_refuses_what_is_no_answer() -> None:
    target = Target(linear, Budget(5))
    target.ask(IMAGES[:3])
    target.ask(IMAGES[:1])
    assert (target.used, target.repeated) == (4, 1)
    with pytest.raises(Spent):
        target.ask(IMAGES[:2])
    assert target.used == 4
    for bad in (lambda x: np.full((len(x), 2), np.nan, np.float32), lambda x: np.zeros((1, 2), np.float32)):
        with pytest.raises(ExchangeRefused):
            Target(bad, Budget(9)).ask(IMAGES[:2])
    with pytest.raises(Unusable):
        Budget(-1)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (86, 100, 0.7786, 0.9147)]
)  # fmt: skip
def test_intervals_are_wilsons(hits: int, of: int, low: float, high: float) -> None:
    measure = proportion("x", hits, of)
    assert (round(measure.low or 0, 4), round(measure.high or 0, 4)) == (low, high)


@pytest.mark.parametrize(
    ("shape", "size"), [((32, 24, 3), (24, 32)), ((None, None, 3), (64, 64)), ((None, 40, None), (40, 64))]
)
def test_pictures_are_brought_to_the_size_that_the_model_takes(
    shape: tuple[int | None, ...], size: tuple[int, int]
) -> None:
    assert picture_size(shape) == size


@pytest.mark.parametrize("shape", [(3, 32, 32), (784,), (32, 32, 1), ()])
def test_a_model_that_takes_no_pictures_is_refused_with_what_mends_it(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(FormatRefused, match="not pictures") as refused:
        picture_size(shape)
    assert "uint8" in refused.value.mend


def test_a_model_one_folder_too_deep_is_told_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(b"x")
    with pytest.raises(FormatRefused) as refused, read_model(tmp_path):
        pass
    assert refused.value.mend == "it lies in model/model.onnx: write it into the output folder itself"
