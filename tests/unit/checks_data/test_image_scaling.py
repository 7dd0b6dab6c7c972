"""Pictures that hide another one: found at every target and sampler, in delivered files too, and honest ones are left alone."""

from __future__ import annotations

import io
from dataclasses import replace

import image_scaling_attacks as attacks
import made_up_parts
import made_up_pictures
import numpy as np
import pytest
from PIL import Image

from countermark.checks.data import _lattice, image_scaling
from countermark.checks.data._view import View
from countermark.finding import Found, Passed

FOUND = [
    (size, how) for size in (32, 64, 96, 112) for how in attacks.SAMPLERS if (size, how) != (112, "opencv-bilinear")
]
SMOOTH = made_up_pictures.picture(3, 4)[2]
OTHER = made_up_pictures.picture(3, 1)[2]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def delivered(large: dict[int, np.ndarray]) -> View:
    """64 x 64 pictures, a few of which came larger."""
    view = made_up_parts.view_of(made_up_parts.honest(0, classes=2, suppliers=2, makers=2, rows=4))
    files = [png(large.get(i, image)) for i, image in enumerate(view.images)]
    return replace(view, files=files, sizes=np.full((len(files), 2), 64))


@pytest.mark.parametrize(("size", "sampler"), FOUND)
def test_a_whole_picture_and_a_trigger_are_found(size: int, sampler: str) -> None:
    for bad in (
        attacks.whole(SMOOTH, OTHER, size, sampler), attacks.trigger(SMOOTH, size, sampler, np.random.default_rng(1)),
    ):  # fmt: skip
        assert attacks.hides(SMOOTH, bad, size, sampler)
        assert _lattice.suspicion(bad).score > image_scaling.BOUND


@pytest.mark.parametrize("sampler", ["opencv-nearest", "opencv-bicubic"])
def test_pictures_that_are_not_square_are_looked_at_both_ways(sampler: str) -> None:
    wide = np.asarray(Image.fromarray(SMOOTH).resize((480, 300), Image.Resampling.BICUBIC))
    assert {(128, 128), (128, 205)} <= set(_lattice.shapes(300, 480))
    assert _lattice.suspicion(wide).score < image_scaling.BOUND
    bad = attacks.trigger(wide, 96, sampler, np.random.default_rng(2), side=7)
    assert _lattice.suspicion(bad).score > image_scaling.BOUND


def test_few_untouched_pictures_are_flagged() -> None:
    scores = [_lattice.suspicion(made_up_pictures.picture(7, i)[2]).score for i in range(100)]
    assert sum(score > image_scaling.BOUND for score in scores) <= 3


def test_an_area_average_does_not_fall_for_it() -> None:
    bad = attacks.whole(SMOOTH, OTHER, 64, "opencv-nearest")
    wanted = attacks.scaled(OTHER, 64, "area")
    assert np.abs(attacks.scaled(bad, 64, "opencv-nearest") - wanted).mean() < 1
    safe = np.asarray(Image.fromarray(bad).resize((64, 64), Image.Resampling.BICUBIC), float)
    for seen in (attacks.scaled(bad, 64, "area"), safe):
        assert np.abs(seen - wanted).mean() > 3 * np.abs(seen - attacks.scaled(SMOOTH, 64, "area")).mean()


def test_delivered_files_are_decoded_at_their_own_size() -> None:
    bad = attacks.trigger(SMOOTH, 64, "pillow-nearest", np.random.default_rng(3))
    report = image_scaling.run(delivered({2: SMOOTH, 5: bad}))
    assert isinstance(report.outcome, Found) and report.suspects == (5,)
    (finding,) = report.outcome.findings
    assert "64 x 64, Pillow nearest" in finding.why and "INTER_AREA" in finding.fix
    assert report.exhibits[finding.exhibits[0]].startswith(b"\x89PNG")
    assert {m.name: m.value for m in report.outcome.measures}["pictures larger than the model's input"] == 2
    assert isinstance(image_scaling.run(delivered({2: SMOOTH})).outcome, Passed)


def test_files_that_cannot_be_looked_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    view = delivered({1: SMOOTH, 2: SMOOTH, 3: SMOOTH[:70, :50]})
    assert view.files is not None
    monkeypatch.setattr(image_scaling, "BATCH_PIXELS", 1)
    files = [*view.files[:2], view.files[2][:3000], *view.files[3:]]
    outcome = image_scaling.run(replace(view, files=files)).outcome
    assert isinstance(outcome, Passed)
    assert outcome.left_out == (
        "1 pictures did not decode in their own size", "1 pictures are less than twice as large as any target size",
    )  # fmt: skip


def test_adaptive_decoys_and_faint_changes_show_the_limit() -> None:
    rng = np.random.default_rng(4)
    bad = attacks.trigger(SMOOTH, 64, "opencv-nearest", rng)
    one = attacks.decoyed(bad, SMOOTH, 64, rng, 1)
    many = attacks.decoyed(bad, SMOOTH, 64, rng, 15)
    assert _lattice.suspicion(one).score > image_scaling.BOUND > _lattice.suspicion(many).score
    assert not attacks.hides(SMOOTH, many, 64, "opencv-nearest"), "what hides from the check is plain to the eye"
