"""Summaries of clips: what is measured is what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from countermark.checks.data._signals import Signals
from countermark.errors import Unusable
from countermark.features.own_rows import of_clips
from countermark.features.signals import TRAITS, spectrum, summarise, usual

RATE = 8000.0
T = np.arange(8000) / RATE


def traits(signal: np.ndarray, rate: float = RATE) -> np.ndarray:
    return summarise(([signal.astype(np.float32)[:, None]], [rate], rate)).traits[0]


def test_the_spectrum_holds_the_power_and_the_line() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000 * T)
    power, frequency = spectrum(tone, RATE)
    assert frequency[power.mean(axis=0).argmax()] == pytest.approx(1000, abs=10)
    # One-sided: half of the power lies in the lines that are kept (Parseval), a quarter of an amplitude of 0.5 squared.
    assert power.mean(axis=0).sum() == pytest.approx(0.5**2 / 4, rel=0.02)


def test_what_is_measured_is_what_was_put_in() -> None:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.normal(size=len(T))
    base = traits(noise)
    assert base.shape == (TRAITS,)
    assert traits(noise / 2)[0] - base[0] == pytest.approx(-6.02, abs=0.01)
    assert traits(np.clip(noise, -0.1, 0.1))[2] == pytest.approx(0.32, abs=0.03) and base[2] < 0.001
    assert traits(noise + 0.05)[3] - base[3] == pytest.approx(0.5, abs=0.03)
    lines = np.fft.rfftfreq(len(T), 1 / RATE)
    low = np.fft.irfft(np.fft.rfft(noise) * (lines < 1700), len(T))
    assert base[4] == pytest.approx(4000, abs=20) and traits(low)[4] == pytest.approx(1700, abs=30)
    assert traits(noise[:4000])[5] == pytest.approx(np.log(0.5)) and base[6] == RATE


@pytest.mark.parametrize("length", [16, 17, 40, 500, 5000])
def test_any_length_and_silence_give_the_same_finite_features(length: int) -> None:
    rng = np.random.default_rng(length)
    sizes = set()
    for signal in (rng.normal(size=length), np.zeros(length), np.ones(length)):
        summary = summarise(([signal.astype(np.float32)[:, None]], [1.0], 2.0))
        assert np.isfinite(summary.features).all() and np.isfinite(summary.traits).all()
        sizes.add(summary.features.shape[1])
    assert sizes == {202}


def test_an_encoder_sees_clips_of_one_length_at_a_time() -> None:
    seen = []

    def encode(clips: np.ndarray) -> np.ndarray:
        seen.append(clips.shape)
        return np.stack([clips.mean(axis=(1, 2)), clips.max(axis=(1, 2))], axis=1)

    clips = [np.full((n, 1), float(n), np.float32) for n in (20, 30, 20)]
    out = of_clips(encode, clips, (8000.0, 8000.0, 16000.0)).values  # a function sees to rates itself
    assert sorted(seen) == [(1, 30, 1), (2, 20, 1)] and out.shape == (3, 2)
    assert out[0] == pytest.approx(out[2]) and out[1, 0] / out[0, 0] == pytest.approx(1.5)
    with pytest.raises(Unusable, match="encoder of type"):
        of_clips(3, clips, (RATE,) * 3)
    with pytest.raises(Unusable, match="for other lengths"):
        of_clips(lambda c: c[:, :, 0], clips, (RATE,) * 3)
    with pytest.raises(Unusable, match="finite"):
        of_clips(lambda c: np.full((len(c), 2), np.nan), clips, (RATE,) * 3)


def test_one_clip_of_a_high_rate_squeezes_nobodys_bands_and_hides_no_drift() -> None:
    """The attack: a single clip that claims a million samples a second, so that all others lie in the lowest bands."""
    rng = np.random.default_rng(3)
    clips = [rng.normal(size=(400, 1)).astype(np.float32) for _ in range(30)]
    rates = np.full(30, RATE)
    alone = summarise((clips, rates.tolist(), usual(rates)))
    more = np.append(rates, 1e6)
    beside = summarise(([*clips, clips[0]], more.tolist(), usual(more)))
    assert np.array_equal(beside.features[:30], alone.features)
    told = [
        Signals([*clips, clips[0]][:n], r, s.traits).traits().each
        for n, r, s in ((30, rates, alone), (31, more, beside))
    ]
    assert [one.least for one in told[0]] == [one.least for one in told[1]]


def test_a_tone_above_the_usual_rate_is_seen() -> None:
    """The other side: what few clips of a higher rate hold above all bands counts to the last one."""
    noise = 0.01 * np.random.default_rng(4).normal(size=(3200, 1))
    tone = noise + 0.1 * np.sin(2 * np.pi * 14_000 * np.arange(3200) / 32_000)[:, None]
    plain, heard = (summarise(([one.astype(np.float32)], [32_000.0], RATE)).features[0] for one in (noise, tone))
    assert heard[-1] - plain[-1] > 15
