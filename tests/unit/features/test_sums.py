"""Sums of whole numbers: exact whatever the order, and taken away without a trace."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import Unusable
from countermark.features.grid import FARTHEST, STEPS, Grid
from countermark.features.sums import Adding, Sums, total

CLASSES = np.array(["bolt", "nut", "washer", "screw"])


def rows(n: int, d: int, seed: int) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    return np.rint(rng.normal(0, STEPS, (n, d))), CLASSES[rng.integers(0, 4, n)].tolist()


def same(one: Sums, two: Sums) -> None:
    assert (one.space, one.classes) == (two.space, two.classes)
    for a, b in ((one.count, two.count), (one.first, two.first), (one.second, two.second)):
        np.testing.assert_array_equal(a, b)


def test_a_grid_rounds_once_and_bounds_what_lies_far_off() -> None:
    sample = np.random.default_rng(0).normal(3, 5, (500, 7)).astype(np.float32)
    grid = Grid.fit(sample)
    put = grid.on(sample)
    np.testing.assert_array_equal(put, np.rint(put))
    exact = (sample.astype(np.float64) - grid.centre) / grid.spread
    assert np.abs(put / STEPS - exact).max() <= 0.5 / STEPS + 1e-12
    assert grid.on(np.full((1, 7), 1e30, np.float32)).max() == FARTHEST * STEPS


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 3), np.float32), np.full((4, 3), np.nan, np.float32), np.zeros(3, np.float32)]
)
def test_a_grid_needs_rows_of_numbers(bad: np.ndarray) -> None:
    with pytest.raises(Unusable):
        Grid.fit(bad)


def test_rows_off_the_grid_or_of_another_size_are_refused() -> None:
    grid = Grid.fit(np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32))
    for bad in (np.zeros((2, 4), np.float32), np.full((2, 3), np.inf, np.float32)):
        with pytest.raises(Unusable):
            grid.on(bad)
    with pytest.raises(Unusable, match="not on a grid"):
        Sums.of("s", np.full((2, 3), 0.5), ["a", "b"])
    with pytest.raises(Unusable):
        Sums.of("s", np.zeros((2, 3)), ["a"])


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=6), seed=st.integers(0, 99))
def test_any_split_in_any_order_gives_the_same_bits(cuts: list[int], seed: int) -> None:
    z, labels = rows(200, 9, seed)
    edges = [0, *sorted(cuts), 200]
    parts = [Sums.of("s", z[a:b], labels[a:b]) for a, b in itertools.pairwise(edges)]
    whole = Sums.of("s", z, labels)
    same(total(parts), whole)
    same(total(parts[::-1]), whole)
    rest = whole
    for part in parts[1:]:
        rest = rest - part
    same(rest, parts[0])


def test_a_stream_of_small_batches_gives_the_same_bits() -> None:
    z, labels = rows(5000, 5, 1)
    adding = Adding("s", 5)
    for at in range(0, 5000, 37):
        adding.add(z[at : at + 37], labels[at : at + 37])
    same(adding.sums(), Sums.of("s", z, labels))


def test_plain_floats_would_not_do_this() -> None:
    """The attack on the claim: the same split of rows that are not on the grid leaves traces behind."""
    z = np.random.default_rng(0).normal(size=(400, 6))
    split = z[:150].T @ z[:150] + z[150:].T @ z[150:]
    assert not np.array_equal(split - z[150:].T @ z[150:], z[:150].T @ z[:150])


def test_what_is_no_part_cannot_be_taken_away() -> None:
    (a, la), (b, lb) = rows(20, 4, 0), rows(30, 4, 1)
    small, large = Sums.of("s", a, la), Sums.of("s", b, lb)
    for wrong in (large, Sums.of("s", a[:1], ["other"])):
        with pytest.raises(Unusable, match="no part"):
            small - wrong
    with pytest.raises(Unusable, match="different spaces"):
        small + Sums.of("t", a, la)
    with pytest.raises(Unusable, match="different spaces"):
        small - Sums.of("s", np.zeros((0, 3)), [])


def test_sums_beyond_what_is_exact_are_refused() -> None:
    with pytest.raises(Unusable, match="too large to be exact"):
        Sums.of("s", np.full((3, 2), 2.0**26), ["a"] * 3)
    one = Sums.of("s", np.full((1, 2), 2.0**26), ["a"])
    with pytest.raises(Unusable, match="too large to be exact"):
        total([one] * 3)
