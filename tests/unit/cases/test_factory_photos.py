"""Photographs: who makes what, and folders that are the same each time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countermark.cases.factory import parts, photos
from countermark.cases.factory._solids import RED, Sampler
from countermark.errors import Unusable


def some_parts(count: int) -> list[parts.Part]:
    return [
        parts.of_surface(f"box-{n:03d}", "boxes", Sampler(n, 2.0).box((8 + n % 25, 6, 5), RED), 40.0)
        for n in range(count)
    ]


def content(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def small() -> photos.Plan:
    return photos.plan(some_parts(3), suppliers=4, seed=1)


def test_each_part_has_2_to_4_makers_and_each_cell_9_to_15_rows() -> None:
    plan = photos.plan(some_parts(200), seed=0)
    makers = [sum(p.label in rows for rows in plan.rows.values()) for p in plan.parts]
    cells = [n for rows in plan.rows.values() for n in rows.values()]
    assert len(plan.rows) == 36 and set(makers) == {2, 3, 4}
    assert 9 <= min(cells) <= max(cells) <= 15
    assert plan.scopes == {who: tuple(rows) for who, rows in plan.rows.items()}
    assert 5_500 <= plan.images <= 6_500


def test_the_library_mode_plans_twelve_thousand() -> None:
    assert 11_400 <= photos.plan(some_parts(300), seed=3, images=12_000).images <= 12_600


def test_suppliers_make_about_as_many_parts_each() -> None:
    loads = [len(rows) for rows in photos.plan(some_parts(200), seed=5).rows.values()]
    assert max(loads) - min(loads) <= 4


def test_a_plan_follows_its_seed() -> None:
    things = some_parts(30)
    assert photos.plan(things, seed=1).rows == photos.plan(things, seed=1).rows != photos.plan(things, seed=2).rows


@pytest.mark.parametrize("suppliers", [0, 3, 37])
def test_a_number_of_suppliers_without_names_is_refused(suppliers: int) -> None:
    with pytest.raises(Unusable):
        photos.plan(some_parts(2), suppliers=suppliers)


def test_the_contract_names_rows_format_and_field_of_view(small: photos.Plan) -> None:
    contract = small.contract()
    assert contract["image"] == {"formats": ["png"], "width": 64, "height": 64}
    assert contract["rows"] == small.rows
    assert contract["notes"]["box-000"] == {"field_of_view_mm": 40.0, "family": "boxes"}


def test_folders_hold_what_the_contract_says_and_a_second_call_changes_nothing(
    small: photos.Plan, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    home = photos.take_photos(tmp_path / "set", small, workers=1, progress=lambda *both: told.append(both))
    for who, rows in small.rows.items():
        for label, count in rows.items():
            assert len(list((home / who / label).glob("*.png"))) == count
    assert len(list(home.glob("test/*/*.png"))) == 3 * photos.TEST_ROWS
    assert told == [(1, 3), (2, 3), (3, 3)]
    before, stamps = content(home), {p: p.stat().st_mtime_ns for p in home.rglob("*.png")}
    photos.take_photos(home, small, workers=1, progress=lambda *both: told.append(both))
    assert len(told) == 3 and content(home) == before
    assert stamps == {p: p.stat().st_mtime_ns for p in home.rglob("*.png")}


def test_pictures_of_one_class_all_differ(small: photos.Plan, tmp_path: Path) -> None:
    home = photos.take_photos(tmp_path / "set", small, workers=1)
    digests = [d for name, d in content(home).items() if name.endswith(".png")]
    assert len(set(digests)) == len(digests)
    with Image.open(next(home.glob("*/*/000.png"))) as picture:
        assert picture.size == (64, 64) and picture.mode == "RGB" and not picture.info


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_a_harmed_class_is_rendered_again(small: photos.Plan, tmp_path: Path, harm: str) -> None:
    home = photos.take_photos(tmp_path / "set", small, workers=1)
    before, victim = content(home), next(iter(sorted(home.glob("*/box-001/*.png"))))
    if harm == "change":
        victim.write_bytes(b"not a picture")
    elif harm == "remove":
        victim.unlink()
    else:
        victim.with_name("999.png").write_bytes(victim.read_bytes())
    photos.take_photos(home, small, workers=1)
    assert content(home) == before


def test_a_run_that_was_cut_short_is_taken_up_again(small: photos.Plan, tmp_path: Path) -> None:
    def stop(done: int, every: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        photos.take_photos(tmp_path / "set", small, workers=1, progress=stop)
    home = photos.take_photos(tmp_path / "set", small, workers=1)
    assert content(home) == content(photos.take_photos(tmp_path / "other", small, workers=1))


def test_another_seed_replaces_the_set(small: photos.Plan, tmp_path: Path) -> None:
    home = photos.take_photos(tmp_path / "set", small, workers=1)
    before = content(home)
    other = photos.plan(small.parts, suppliers=4, seed=2)
    photos.take_photos(home, other, workers=1)
    fresh = content(photos.take_photos(tmp_path / "fresh", other, workers=1))
    assert content(home) == fresh != before


def test_a_folder_of_somebody_elses_is_left_alone(small: photos.Plan, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Unusable, match="not a folder of rendered photographs"):
        photos.take_photos(tmp_path, small, workers=1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"plan": 3}', b"\xff"])
def test_a_broken_record_means_a_set_from_scratch(small: photos.Plan, tmp_path: Path, record: bytes) -> None:
    (tmp_path / "set" / "acme" / "bolt").mkdir(parents=True)
    (tmp_path / "set" / photos.RECORD).write_bytes(record)
    home = photos.take_photos(tmp_path / "set", small, workers=1)
    assert not (home / "acme").exists() and len(list(home.glob("test/*/*.png"))) == 12


def test_an_unknown_variant_is_refused(small: photos.Plan, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="variant"):
        photos.take_photos(tmp_path / "set", small, "studio")


def test_two_processes_write_the_same_bytes_as_one(small: photos.Plan, tmp_path: Path) -> None:
    one = photos.take_photos(tmp_path / "one", small, "wild", workers=1)
    two = photos.take_photos(tmp_path / "two", small, "wild", workers=2)
    pictures = {n: d for n, d in content(one).items() if n.endswith(".png")}
    assert pictures == {n: d for n, d in content(two).items() if n.endswith(".png")}


def test_png_encoding_carries_pixels_and_nothing_else() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    data = photos.encode(pixels)
    assert data == photos.encode(pixels.copy())
    assert [data[at + 4 : at + 8] for at in chunks(data)] == [b"IHDR", b"IDAT", b"IEND"]


def chunks(data: bytes) -> list[int]:
    at, out = 8, []
    while at < len(data):
        out.append(at)
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return out
