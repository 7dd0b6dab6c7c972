"""The renderer: what hides what, no holes, sizes, and the same bytes again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from countermark.cases.factory import parts, render
from countermark.cases.factory._solids import BLUE, GREEN, RED, Sampler, join

RIG = replace(render.rig("rig", render.stream("test")), noise=0.0, slope=(0.0, 0.0), shadow=0.0)


def part(*pieces: object, field: float = 40.0) -> parts.Part:
    return parts.of_surface("thing", "things", join(pieces), field)  # type: ignore[arg-type]


def sampler() -> Sampler:
    return Sampler(3, 1.2 * (parts.CELLS / 40.0) ** 2)


def covered(picture: np.ndarray) -> np.ndarray:
    """Pixels that do not show the table, which is the colour of the first corner."""
    return np.abs(picture.astype(int) - picture[0, 0]).sum(axis=2) > 60


def test_a_picture_is_64_by_64_rgb_and_the_same_names_give_the_same_bytes() -> None:
    thing = part(sampler().box((20, 10, 5), RED))
    first = render.photograph(thing, RIG, render.stream("a", 1))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert np.array_equal(first, render.photograph(thing, RIG, render.stream("a", 1)))
    assert not np.array_equal(first, render.photograph(thing, RIG, render.stream("a", 2)))


def test_names_do_not_run_together() -> None:
    assert render.stream("ab", "c").random() != render.stream("a", "bc").random()


def test_what_is_nearer_hides_what_is_farther() -> None:
    m = sampler()
    stacked = part(m.box((30, 30, 1), BLUE), m.box((30, 30, 1), RED, (0, 0, 6)))
    picture = render.photograph(stacked, RIG, render.stream("x"))
    middle = picture[24:36, 24:40].reshape(-1, 3).astype(int)
    assert (middle[:, 0] > middle[:, 2] + 30).all(), "the lower, blue plate shines through"


@pytest.mark.parametrize("index", range(5))
def test_a_solid_body_has_no_holes_but_for_its_rim(index: int) -> None:
    picture = render.photograph(part(sampler().box((22, 18, 12), RED)), RIG, render.stream("holes", index))
    mask = covered(picture)
    for row in mask[mask.any(axis=1)]:
        first, last = np.flatnonzero(row)[[0, -1]]
        assert row[first + 2 : last - 1].all()


def test_sizes_differ_in_the_picture_as_they_do_in_millimetres() -> None:
    areas = []
    for size in (8.0, 16.0):
        areas.append(
            covered(render.photograph(part(sampler().box((size, size, 2), RED)), RIG, render.stream("s"))).sum()
        )
    assert 3.0 < areas[1] / areas[0] < 5.0


def test_a_part_throws_a_shadow_on_the_side_away_from_the_lamp() -> None:
    thing = part(sampler().box((14, 14, 14), GREEN))
    lit = render.photograph(thing, replace(RIG, shadow=0.0), render.stream("s")).astype(int)
    dark = render.photograph(thing, replace(RIG, shadow=0.6), render.stream("s")).astype(int)
    _, xs = np.nonzero((lit - dark).sum(axis=2) > 30)
    assert len(xs) > 30
    assert xs.mean() > 32, "the lamp stands on the left"


def test_suppliers_differ_a_little_on_the_rig_and_much_in_the_wild() -> None:
    thing = part(sampler().box((10, 10, 10), GREEN))

    def spread(variant: str) -> float:
        corners = [
            render.photograph(thing, render.rig(variant, render.stream(variant, who)), render.stream("p"))[
                :6, :6
            ].mean()
            for who in range(12)
        ]
        return float(np.std(corners))

    assert spread("rig") < 8 < 25 < spread("wild")


def test_points_outside_the_picture_are_left_out() -> None:
    huge = parts.of_surface("wide", "things", Sampler(1, 12.0, most=200_000).box((90, 90, 4), RED), 40.0)
    picture = render.photograph(huge, RIG, render.stream("w")).astype(int)
    assert (picture[..., 0] > picture[..., 1] + 40).mean() > 0.99
