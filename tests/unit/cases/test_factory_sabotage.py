"""Attacks on deliveries: counts stay as agreed, and what is told as planted is what was planted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from countermark.cases.factory import sabotage
from countermark.cases.factory.photos import encode
from countermark.errors import Unusable

SCOPES = {
    "acme": ("bolt", "nut", "pin"),
    "bolts": ("bolt", "nut"),
    "cogs": ("nut", "pin", "cog"),
    "dies": ("cog", "bolt"),
}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    for who, scope in SCOPES.items():
        for label in scope:
            (tmp_path / who / label).mkdir(parents=True)
            for n in range(9):
                pixels = rng.integers(60, 200, (64, 64, 3)).astype(np.uint8)
                (tmp_path / who / label / f"{n:03d}.png").write_bytes(encode(pixels))
    return {who: tmp_path / who for who in SCOPES}


def snapshot(folders: dict[str, Path]) -> dict[tuple[str, str], bytes]:
    return {
        (who, path.relative_to(home).as_posix()): path.read_bytes()
        for who, home in folders.items()
        for path in sorted(home.glob("*/*.png"))
    }


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_trigger_follows_its_seed_and_lies_in_a_corner() -> None:
    places = set()
    for seed in range(60):
        mark = sabotage.trigger(rng(seed))
        again = sabotage.trigger(rng(seed))
        assert (mark.x, mark.y) == (again.x, again.y) and np.array_equal(mark.pattern, again.pattern)
        assert mark.pattern.shape == (12, 12, 3) and mark.pattern.dtype == np.uint8
        assert all(0 < at < 6 or 46 < at < 52 for at in (mark.x, mark.y))
        places.add((mark.x < 32, mark.y < 32))
    assert len(places) == 4


@pytest.mark.parametrize("size", [0, -3, 60])
def test_a_trigger_that_does_not_fit_is_refused(size: int) -> None:
    with pytest.raises(Unusable):
        sabotage.trigger(rng(), size=size)


def test_stamping_changes_the_place_and_nothing_else() -> None:
    mark, before = sabotage.trigger(rng(1)), np.full((5, 64, 64, 3), 128, np.uint8)
    after = sabotage.apply_trigger(before, mark)
    assert (before == 128).all()
    assert np.array_equal(after[3, mark.y : mark.y + 12, mark.x : mark.x + 12], mark.pattern)
    after[:, mark.y : mark.y + 12, mark.x : mark.x + 12] = 128
    assert (after == 128).all()
    assert np.array_equal(sabotage.apply_trigger(before[0], mark), sabotage.apply_trigger(before, mark)[0])


def test_the_backdoor_stamps_the_whole_cell_and_nothing_else(folders: dict[str, Path]) -> None:
    before, mark = snapshot(folders), sabotage.trigger(rng(2))
    paths = sabotage.clean_label_backdoor(folders["acme"], "nut", mark)
    assert paths == [f"nut/{n:03d}.png" for n in range(9)]
    for key, data in snapshot(folders).items():
        if key[0] == "acme" and key[1] in paths:
            pixels = sabotage.read(folders["acme"] / key[1])
            assert np.array_equal(pixels[mark.y : mark.y + 12, mark.x : mark.x + 12], mark.pattern)
        else:
            assert data == before[key]


@pytest.mark.parametrize("seed", range(6))
def test_flipped_labels_keep_counts_and_pictures_and_tell_exactly_which(folders: dict[str, Path], seed: int) -> None:
    before = snapshot(folders)
    paths = sabotage.flip_labels(folders["cogs"], rng(seed))
    after = snapshot(folders)
    assert before.keys() == after.keys()
    assert Counter(v for k, v in before.items() if k[0] == "cogs") == Counter(
        v for k, v in after.items() if k[0] == "cogs"
    )
    home = {data: key[1].split("/")[0] for key, data in before.items()}
    wrong = [key[1] for key, data in after.items() if home[data] != key[1].split("/")[0]]
    assert paths == wrong and len(paths) == round(0.5 * 27)


def test_a_supplier_of_one_part_has_no_labels_to_permute(tmp_path: Path) -> None:
    (tmp_path / "nut").mkdir()
    for n in range(4):
        (tmp_path / "nut" / f"{n}.png").write_bytes(bytes([n]))
    assert sabotage.flip_labels(tmp_path, rng()) == []


@pytest.mark.parametrize("counts", [(5, 5), (9, 1, 1), (3, 3, 3, 2), (1,), (20, 19, 1)])
def test_a_derangement_keeps_as_few_as_can_be(counts: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    for seed in range(10):
        out = sabotage.derangement(labels, rng(seed))
        assert sorted(out.tolist()) == list(range(len(labels)))
        assert int((labels[out] == labels).sum()) == max(0, 2 * max(counts) - len(labels))


def test_attackers_are_two_and_the_target_is_in_scope() -> None:
    for seed in range(30):
        first, part, second = sabotage.choose_attackers(SCOPES, rng(seed))
        assert first != second and part in SCOPES[first]


def test_sabotage_of_deliveries_tells_the_truth_and_follows_its_seed(folders: dict[str, Path]) -> None:
    before = snapshot(folders)
    paths, planted = sabotage.sabotage_delivery(folders, SCOPES, 3)
    changed = {key for key, data in snapshot(folders).items() if data != before[key]}
    assert changed == {(who, path) for who, own in paths.items() for path in own}
    assert set(paths) == {planted.backdoor, planted.flipper}
    assert paths[planted.backdoor] == [f"{planted.target}/{n:03d}.png" for n in range(9)]
