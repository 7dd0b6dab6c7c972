"""Screening of clips: attacks are named, another microphone is drift with its cause, checks of pictures never passed."""

from __future__ import annotations

import io

import made_up_sounds as made
import numpy as np
import pytest
from PIL import Image

import countermark
from countermark.checks.data.screen_signals import screen_signals
from countermark.checks.data.screening import Screening
from countermark.engines.engine import InProcess
from countermark.errors import Unusable
from countermark.finding import Found

HONEST = made.honest(1, suppliers=16, rows=40, seconds=0.3)


def screen(data: made.MadeUp, **more: object) -> Screening:
    return screen_signals(data.clips, data.label.tolist(), data.supplier.tolist(), rate=made.RATE, **more)  # type: ignore[arg-type]


def test_honest_sites_are_not_named() -> None:
    result = screen(HONEST)
    assert result.named == () and not result.row_flagged.any()
    assert "data/recurring-patch" in result.not_applicable and "data/schema" in result.not_applicable
    assert countermark.screen_signals is screen_signals


def test_wrong_labels_name_their_supplier_and_show_spectrograms() -> None:
    data = made.flipped(HONEST, "site-03", share=0.5)
    result = screen(data)
    assert result.named == ("site-03",) and result.row_flagged[data.planted].mean() >= 0.8
    for digest in result.findings[0].exhibits:
        assert Image.open(io.BytesIO(result.exhibits[digest])).size[1] == 64


def test_a_faint_tone_names_its_supplier() -> None:
    data = made.toned(HONEST, "site-03", target="machine-1", share=0.4)
    assert screen(data).named == ("site-03",)


@pytest.mark.parametrize(("how", "cause"), [("clipping", "clipping: "), ("band", "spectrum ends at 3.")])
def test_another_microphone_is_drift_with_its_cause(how: str, cause: str) -> None:
    result = screen(made.drifting(HONEST, "site-03", how=how))
    (finding,) = (f for f in result.findings if f.check == "data/drift")
    assert finding.where.supplier == "site-03" and cause in finding.what and finding.rule == "recordings-differ"
    if how == "clipping":  # a whole band less can still look like wrong labels to a model of all others: see the page
        assert result.named == ()


def test_copied_clips() -> None:
    report = screen(made.repeated(HONEST, "site-03", count=5)).checks["data/duplicates"]
    assert isinstance(report.outcome, Found) and len(report.suspects) == 5
    assert all("site-03" in f.where.supplier for f in report.outcome.findings)


def test_integers_and_lengths_and_engines() -> None:
    whole = np.round(np.clip(HONEST.clips, -1, 1) * 32767).astype(np.int16)
    names = (HONEST.label.tolist(), HONEST.supplier.tolist())
    one = screen_signals(whole, *names, rate=made.RATE)
    cut = [clip[: len(clip) - 100 * (i % 3), None] for i, clip in enumerate(whole)]
    other = screen_signals(cut, *names, rate=[made.RATE] * len(cut), engine=InProcess())
    assert one.features.accuracy == pytest.approx(other.features.accuracy, abs=0.05)
    assert (one.row_p == screen_signals(whole, *names, rate=made.RATE, engine=InProcess()).row_p).all()


def test_the_users_encoder() -> None:
    def encode(clips: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(clips[..., 0], axis=1)[:, 1:2401]) ** 2
        return np.log(power.reshape(len(clips), 200, 12).mean(axis=2) + 1e-6)

    data = made.flipped(HONEST, "site-03", share=0.5)
    result = screen(data, encoder=encode)
    assert "user's encoder" in result.features.name and result.features.dimensions == 200
    assert result.named == ("site-03",)


def test_what_cannot_be_screened() -> None:
    names = (["a", "b"] * 2, ["x", "x", "y", "y"])
    good = np.zeros((4, 100), np.float32)
    for bad, rate in (
        (good[:, :8], 1), (good[:, None, None], 1), (good.astype(complex), 1), (good + np.nan, 1), (good, 0), (good, [1, 1]),
        ([], 1), ([good[0], good[0], good[0], np.zeros((100, 2))], 1), (np.zeros((4, 100, 9)), 1), (good[:3], 1),
    ):  # fmt: skip
        with pytest.raises(Unusable):
            screen_signals(bad, *names, rate=rate)  # type: ignore[arg-type]
