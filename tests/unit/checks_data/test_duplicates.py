"""Copies of every pose are found, honest pictures are left alone, a supplier who copies another is one finding, leaks are named."""

from __future__ import annotations

from dataclasses import replace

import made_up_parts
import near_copies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.data import duplicates
from countermark.checks.data._hash_index import HashIndex
from countermark.checks.data._hashes import POSES, fingerprints, posed
from countermark.finding import Found, Passed

DATA = made_up_parts.honest(0, classes=4)


def turned(images: np.ndarray, pose: int) -> np.ndarray:
    out = images.swapaxes(1, 2) if pose & 4 else images
    out = out[:, :, ::-1] if pose & 1 else out
    return out[:, ::-1] if pose & 2 else out


@pytest.mark.parametrize("pose", range(POSES))
def test_hashes_of_all_poses_come_from_one_transform(pose: int) -> None:
    codes, prints = fingerprints(DATA.images[:40])
    again, same = fingerprints(turned(DATA.images[:40], pose))
    assert np.bitwise_count(codes[0, :, pose] ^ again[0, :, 0]).max() <= 1
    assert np.abs(posed(prints[0], pose) - same[0]).max() < 1e-5


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=60), st.integers(0, 7), st.integers(0, 2**32 - 1))
def test_the_index_finds_exactly_what_comparing_all_finds(codes: list[int], radius: int, seed: int) -> None:
    stored = np.array(codes, np.uint64)
    rng = np.random.default_rng(seed)
    flips = [sum(1 << int(b) for b in rng.choice(64, rng.integers(0, 10), replace=False)) for _ in codes]
    asked = stored ^ np.array(flips, np.uint64)
    index = HashIndex()
    for part in np.array_split(stored, rng.integers(1, 12)):  # deliveries, some of them empty
        index.add(part)
    query, row, distance = index.near(asked, radius)
    every = np.bitwise_count(asked[:, None] ^ stored)
    assert np.array_equal(np.stack([query, row], axis=1), np.argwhere(every <= radius))
    assert np.array_equal(distance, every[query, row])


def test_a_radius_that_the_tables_cannot_promise_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 7"):
        HashIndex().near(np.zeros(1, np.uint64), 8)


def test_an_index_grows_without_the_old_pictures() -> None:
    codes = fingerprints(DATA.images)[0][0, :, 0]
    index = HashIndex()
    index.add(codes)
    kept = HashIndex()
    kept.add(index.codes)  # all that need be kept
    new = fingerprints(DATA.images[[7]][:, ::-1])[0][0]
    assert 7 in {int(r) for pose in range(POSES) for r in kept.near(new[:, pose], 6)[1]}


@pytest.mark.parametrize("way", ["shift", "brightness", "noise", "mirror", "turn"])
def test_changed_copies_are_found_across_classes(way: str) -> None:
    rng = np.random.default_rng(5)
    images = DATA.images.copy()
    images[80] = near_copies.near_copy(images[3], way, rng)
    view = made_up_parts.view_of(DATA.changed(images, np.array([80])))
    assert duplicates.run(view).suspects == (80,)


def test_honest_pictures_pass_and_flat_ones_only_when_equal() -> None:
    assert isinstance(duplicates.run(made_up_parts.view_of(DATA)).outcome, Passed)
    images = DATA.images.copy()
    images[3], images[50], images[90] = 120, 121, 120
    assert duplicates.run(made_up_parts.view_of(replace(DATA, images=images))).suspects == (90,)


def test_a_supplier_that_copies_another_is_one_finding() -> None:
    images = DATA.images.copy()
    one, other = (np.flatnonzero(DATA.supplier == s)[:12] for s in ("maker-02", "maker-04"))
    images[other] = images[one][:, :, ::-1]
    report = duplicates.run(made_up_parts.view_of(replace(DATA, images=images)))
    assert isinstance(report.outcome, Found)
    (finding,) = report.outcome.findings
    assert finding.rule == "supplier-copies" and finding.what == "12 pictures of maker-02 are those of maker-04"
    assert len(report.suspects) == len(finding.where.rows) == 12
    assert report.exhibits[finding.exhibits[0]].startswith(b"\x89PNG")


def test_leaks_between_training_and_test_are_named() -> None:
    rng = np.random.default_rng(6)
    train, test = DATA.images[:60], DATA.images[60:].copy()
    assert duplicates.leaks(train, test) == {}
    test[4], test[9] = train[17], near_copies.near_copy(train[33], "mirror", rng)
    assert duplicates.leaks(train, test) == {4: 17, 9: 33}
    assert duplicates.leaks(train, test[:0]) == {}


def test_pairs_beyond_the_budget_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    images = DATA.images.copy()
    images[[20, 40]] = images[3] + np.array([[[[1]]], [[[2]]]], np.uint8)
    view = made_up_parts.view_of(replace(DATA, images=images))
    assert duplicates.run(view).outcome.left_out == ()
    monkeypatch.setattr("countermark.checks.data._near.MOST_PAIRS", 1)
    (told,) = duplicates.run(view).outcome.left_out
    assert told.endswith("pairs that look alike were not compared on their pixels")
