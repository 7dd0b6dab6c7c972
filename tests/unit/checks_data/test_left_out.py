"""Heads from sums alone: the same as from the rows; poison of one supplier shows, and nobody else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from countermark.checks.data._left_out import left_out, scores_of, supplier_values
from countermark.checks.data._ridge import score_apart
from countermark.errors import Unusable
from countermark.features.grid import STEPS, Grid
from countermark.features.sums import Sums, total


def world(poisoned: int | None = None, n: int = 2400, d: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows on a grid, labels and suppliers (12 of each seen); a poisoned supplier calls a third of its rows class 0."""
    rng = np.random.default_rng(5)
    label, supplier = rng.integers(0, 6, n), rng.integers(0, 12, n)
    raw = rng.normal(size=(n, d)) + rng.normal(size=(6, d))[label] + 0.3 * rng.normal(size=(12, d))[supplier]
    if poisoned is not None:
        label[np.flatnonzero((supplier == poisoned) & (label > 0))[:60]] = 0
    raw = raw.astype(np.float32)
    return Grid.fit(raw).on(raw), label, supplier


def sums_of(z: np.ndarray, label: np.ndarray, supplier: np.ndarray) -> list[Sums]:
    return [Sums.of("g", z[supplier == s], [f"c{c}" for c in label[supplier == s]]) for s in range(12)]


def test_heads_are_those_of_the_rows() -> None:
    z, label, supplier = world()
    parts = sums_of(z, label, supplier)
    expected = score_apart((z / STEPS).astype(np.float32), label, supplier, np.arange(len(z)), 6)
    for s, one in enumerate(left_out(total(parts), parts)):
        mine = supplier == s
        scores = scores_of(z[mine], one.weights)
        np.testing.assert_allclose(scores, expected[mine], atol=1e-9)
        for c in range(6):
            np.testing.assert_allclose(one.means[c], scores[label[mine] == c].mean(axis=0), atol=1e-9)


def test_a_supplier_that_lies_about_labels_stands_apart() -> None:
    z, label, supplier = world(poisoned=7)
    parts = sums_of(z, label, supplier)
    whole = total(parts)
    value = supplier_values(whole, zip(parts, left_out(whole, parts), strict=True))
    others = np.delete(value, 7)
    assert value.argmax() == 7
    spread = 1.4826 * np.median(np.abs(others - np.median(others)))
    assert (value[7] - np.median(others)) / spread > 8 > (others.max() - np.median(others)) / spread


def test_a_delivery_taken_away_leaves_no_trace() -> None:
    z, label, supplier = world(poisoned=7)
    parts = sums_of(z, label, supplier)
    clean = total([p for s, p in enumerate(parts) if s != 7])
    seen = next(iter(left_out(total(parts) - parts[7], parts[:1])))
    np.testing.assert_array_equal(seen.weights, next(iter(left_out(clean, parts[:1]))).weights)


def test_a_class_that_one_supplier_alone_makes_counts_for_nothing() -> None:
    z, label, supplier = world()
    parts = sums_of(z, label, supplier)
    alone = Sums.of("g", z[:20], ["mine"] * 20)
    whole = total([*parts, alone])
    value = supplier_values(whole, zip([*parts, alone], left_out(whole, [*parts, alone]), strict=True))
    assert np.isnan(value[-1]) and np.isfinite(value[:-1]).all()


def test_nobody_to_compare_with() -> None:
    part = Sums.of("g", np.ones((4, 2)), ["a", "a", "b", "b"])
    with pytest.raises(Unusable, match="everything"):
        list(left_out(part, [part]))
