"""Parts of the factory: labels, fields of view, and which of them can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from countermark.cases.factory import _families, parts
from countermark.cases.factory._solids import STEEL, Sampler, Surface
from countermark.errors import Unusable


@pytest.fixture(scope="module")
def some() -> list[parts.Part]:
    out = []
    for model in _families.models()[::9]:
        try:
            out.append(parts.build(model))
        except Unusable:
            continue
    return out


def box(label: str, x: float, y: float, z: float, field: float = 64.0) -> parts.Part:
    return parts.of_surface(label, "boxes", Sampler(1, 9.0).box((x, y, z), STEEL), field)


def hausdorff(a: np.ndarray, b: np.ndarray) -> float:
    """Slow and plain: the largest distance of a pixel of one to the nearest of the other."""
    p, q = np.argwhere(a), np.argwhere(b)
    apart = np.sqrt(((p[:, None] - q[None]) ** 2).sum(axis=2))
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))


def test_several_hundred_models_have_labels_of_their_own() -> None:
    labels = [model.label for model in _families.models()]
    assert len(labels) == len(set(labels)) > 650
    assert all(label == label.lower() and label.isascii() and "/" not in label for label in labels)


def test_every_part_fits_its_field_of_view_and_is_centred(some: list[parts.Part]) -> None:
    for part in some:
        low, high = part.surface.points.min(axis=0), part.surface.points.max(axis=0)
        assert part.field_mm in parts.FIELDS_MM
        assert np.abs(low + high).max() < 1e-3 * part.field_mm
        assert (high - low).max() <= part.field_mm


def test_normals_have_unit_length_and_arrays_their_declared_types(some: list[parts.Part]) -> None:
    for part in some:
        surface = part.surface
        assert surface.points.dtype == surface.normals.dtype == surface.colours.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=0.25)
        assert 0 <= surface.colours.min() <= surface.colours.max() <= 1


def test_the_same_label_gives_the_same_points() -> None:
    model = _families.models()[100]
    assert np.array_equal(parts.build(model).surface.points, parts.build(model).surface.points)


def test_alike_is_the_hausdorff_distance_of_the_silhouettes(some: list[parts.Part]) -> None:
    few = some[:14]
    told = parts.alike(few)
    masks = [parts.silhouettes(part) for part in few]
    for i, one in enumerate(masks):
        for j, other in enumerate(masks):
            slow = all(hausdorff(a, b) < parts.LEAST_PX for a, b in zip(one, other, strict=True))
            assert told[i, j] == slow, (few[i].label, few[j].label)


@pytest.mark.parametrize(("longer", "same"), [(0.0, True), (3.0, True), (12.0, False)])
def test_a_part_that_is_longer_in_one_view_only_can_be_told_apart(longer: float, same: bool) -> None:
    pair = [box("a", 20, 20, 20), box("b", 20, 20, 20 + longer)]
    assert parts.alike(pair)[0, 1] == same


def test_two_that_look_alike_are_never_both_chosen() -> None:
    pool = [box(f"box-{n}", 10 + n, 20, 20) for n in range(30)]
    chosen = parts.choose(3, seed=4, parts=pool)
    assert not (parts.alike(chosen) & ~np.eye(3, dtype=bool)).any()
    assert [p.label for p in chosen] == sorted(p.label for p in chosen)
    assert [p.label for p in chosen] == [p.label for p in parts.choose(3, seed=4, parts=pool)]


def test_asking_for_more_than_can_be_told_apart_is_refused() -> None:
    with pytest.raises(Unusable, match=r"only 1 of 2 parts"):
        parts.choose(2, parts=[box("a", 20, 20, 20), box("b", 21, 20, 20)])


def test_a_part_larger_than_the_largest_field_is_refused() -> None:
    with pytest.raises(Unusable, match="fits no field of view"):
        parts.field_of(Surface(*(np.array([[0, 0, 0], [500, 0, 0]], np.float32) for _ in range(3))))


@pytest.mark.slow
def test_the_default_two_hundred() -> None:
    chosen = parts.choose(200, 0)
    assert not (parts.alike(chosen) & ~np.eye(200, dtype=bool)).any()
    assert len({part.family for part in chosen}) >= 15
    assert {part.field_mm for part in chosen} == set(parts.FIELDS_MM)
