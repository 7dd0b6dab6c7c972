"""One suite over every engine: order, equality to the last bit, errors, bounded look-ahead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from countermark.engines.engine import Engine, InProcess, Pool, Threads
from countermark.errors import Unusable
from countermark.features.patches import PatchFeatures, encode_batch

ENGINES = [InProcess(), Threads(2), Pool(2)]
NAMES = ["in process", "threads", "processes"]


def double(batch: int) -> int:
    return 2 * batch


def picky(batch: int) -> int:
    if batch == 2:
        raise ArithmeticError("two")
    return batch


@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
def test_order(engine: Engine) -> None:
    assert list(engine.map(double, range(20))) == list(range(0, 40, 2))
    assert list(engine.map(double, [])) == []


@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
def test_errors_reach_the_caller_after_earlier_results(engine: Engine) -> None:
    results = engine.map(picky, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ArithmeticError, match="two"):
        next(results)


@pytest.mark.parametrize("engine", ENGINES, ids=NAMES)
def test_features_are_equal_to_the_last_bit(engine: Engine) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3)).astype(np.uint8)
    words = PatchFeatures.fit(images, seed=0).words
    batches: Sequence[tuple[np.ndarray, np.ndarray]] = [(words, images[i : i + 4]) for i in (0, 4, 8)]
    expected = [encode_batch(b) for b in batches]
    for seen, want in zip(engine.map(encode_batch, batches), expected, strict=True):
        assert seen.tobytes() == want.tobytes()


def test_threads_do_not_run_far_ahead() -> None:
    started: list[int] = []
    results = Threads(2).map(lambda i: started.append(i) or i, range(100))
    next(results)
    assert len(started) <= 6
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", [Threads, Pool])
def test_no_workers(make: type) -> None:
    with pytest.raises(Unusable):
        make(0)
