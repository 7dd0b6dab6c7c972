"""Copies of every pose are found, honest pictures are left alone, a supplier who copies another is one finding, leaks are named."""

from __future__ import annotations

from dataclasses import replace

import made_up_parts
import near_copies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.data import _near, duplicates
from countermark.checks.data._content import Pictures
from countermark.checks.data._hash_index import HashIndex
from countermark.features.perceptual_hash import perceptual_hash, posed_hashes
from countermark.finding import Found, Passed

DATA = made_up_parts.honest(
    0, classes=4
)  # photographs of one part are one picture at another place, in other light, with other noise
ALONE = made_up_parts.honest(1, classes=60, makers=1, rows=1)
VIEW = made_up_parts.view_of(DATA)


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
    codes = perceptual_hash(DATA.images)
    index = HashIndex()
    index.add(codes)
    kept = HashIndex()
    kept.add(index.codes)  # all that need be kept
    new = posed_hashes(DATA.images[[7]][:, ::-1])
    assert 7 in {int(r) for pose in range(new.shape[1]) for r in kept.near(new[:, pose], 6)[1]}


def copied(data: made_up_parts.MadeUp, way: str, one: int, other: int) -> np.ndarray:
    images = data.images.copy()
    images[other] = near_copies.near_copy(images[one], way, np.random.default_rng(5))
    return images


@pytest.mark.parametrize("way", ["shift", "light", "mirror", "turn", "crop", "resize", "border", "grey"])
def test_a_copy_is_told_from_photographs_alike_by_its_noise(way: str) -> None:
    assert duplicates.run(replace(VIEW, content=Pictures(copied(DATA, way, 3, 80)))).suspects == (80,)


@pytest.mark.parametrize("way", near_copies.WAYS)
def test_changed_copies_are_found(way: str) -> None:
    pairs = _near.within(copied(ALONE, way, 3, 50))
    assert list(zip(pairs.one, pairs.other, strict=True)) == [(3, 50)]


@pytest.mark.parametrize("way", near_copies.WAYS)
def test_small_pictures_that_show_no_noise_are_told_by_how_they_move(way: str) -> None:
    small = ALONE.images[:, 18:46, 18:46]
    images = copied(replace(ALONE, images=small), way, 3, 50)
    pairs = _near.within(images)
    assert list(zip(pairs.one, pairs.other, strict=True)) == [(3, 50)]


@pytest.mark.parametrize(("bend", "found"), [(0.0, True), (2.0, False)])
def test_a_disguise_must_bend_the_picture(bend: float, found: bool) -> None:
    images = ALONE.images[:, 18:46, 18:46].copy()
    images[50] = near_copies.disguised(images[3], bend, np.random.default_rng(5))
    pairs = _near.within(images)
    assert list(zip(pairs.one, pairs.other, strict=True)) == ([(3, 50)] if found else [])


def test_honest_pictures_pass_and_flat_ones_only_when_equal() -> None:
    assert isinstance(duplicates.run(VIEW).outcome, Passed)
    images = DATA.images.copy()
    images[3], images[50], images[90] = 120, 121, 120
    assert duplicates.run(replace(VIEW, content=Pictures(images))).suspects == (90,)


def test_a_supplier_that_copies_another_is_one_finding() -> None:
    images = DATA.images.copy()
    one, other = (np.flatnonzero(DATA.supplier == s)[:12] for s in ("maker-02", "maker-04"))
    images[other] = images[one][:, :, ::-1]
    report = duplicates.run(replace(VIEW, content=Pictures(images)))
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


def test_rows_in_the_test_set_are_findings_of_their_suppliers() -> None:
    tests = made_up_parts.honest(9, classes=3, makers=1, rows=2).images.copy()
    tests[2], tests[4] = DATA.images[3], near_copies.near_copy(DATA.images[30], "turn", np.random.default_rng(8))
    view = replace(VIEW, tests=(tests, tuple(f"test/{i}.png" for i in range(len(tests)))))
    report = duplicates.run(view)
    assert isinstance(report.outcome, Found) and report.suspects == (3, 30)
    told = {f.where.supplier: f for f in report.outcome.findings}
    assert set(told) == {DATA.supplier[3], DATA.supplier[30]} and {f.rule for f in told.values()} == {"test-leak"}
    assert told[DATA.supplier[30]].why.endswith(f"{VIEW.ids[30]} is test/4.png")
    assert report.exhibits.keys() == {f.exhibits[0] for f in told.values()}
    assert isinstance(duplicates.run(replace(view, tests=(tests[:2], ("a", "b")))).outcome, Passed)


def test_sets_too_large_to_compare_all_are_looked_up_by_hash_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    view = replace(VIEW, content=Pictures(copied(DATA, "mirror", 3, 80)))
    assert duplicates.run(view).outcome.left_out == ()
    monkeypatch.setattr("countermark.checks.data._nearest.MOST_COMPARED", 20)
    monkeypatch.setattr("countermark.checks.data._near.MOST_COMPARED", 20)
    report = duplicates.run(view)
    assert report.suspects == (80,)
    assert report.outcome.left_out == ("pairs whose hashes are more than 7 bits apart were not compared",)


@pytest.mark.parametrize("way", ["jpeg", "noise", "light", "turn", "blur"])
def test_hashes_find_changed_copies_in_large_sets(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countermark.checks.data._nearest.MOST_COMPARED", 20)
    pairs = _near.within(copied(ALONE, way, 3, 50))
    assert list(zip(pairs.one, pairs.other, strict=True)) == [(3, 50)]
