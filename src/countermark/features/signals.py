"""Signals as vectors that a linear head can read: summary statistics in time and in frequency. No labels, no training.

Of every clip: level, shape and zero crossings, quantiles of the level of short windows; the spectrum in logarithmic bands, its
quantiles over the windows, its cepstral coefficients (Davis and Mermelstein, IEEE TASSP 1980), centroid, spread, flatness,
roll-off and flux (Peeters, "A large set of audio features for sound description", IRCAM 2004), and how far the strongest line of
each band stands out in any window, which a short tone shows in. Bands are taken between 0 and half the rate that nine clips in
ten do not exceed, so that no few clips squeeze those of all; what lies above in the others counts to the last band.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.formats.wav import LEAST_FRAMES

BANDS, LINES, CEPSTRAL = 32, 24, 13
MOST_WINDOW, LEAST_WINDOW = 1024, LEAST_FRAMES
QUANTILES = (0.1, 0.5, 0.9)
FLOOR = 1e-10  # -100 dB of full scale
MOST_WINDOWS = 4096
TRAITS = 7
USUAL = 0.9
Floats = NDArray[np.float64]
Signal = NDArray[np.float32]


class Summary(NamedTuple):
    """Of clips: features float32 (n, d), and the properties that suppliers are compared by, float64 (n, 7).

    Properties: level and noise floor in dB of full scale, share of clipped samples, constant offset in parts of the level, upper
    edge of the spectrum in Hz, logarithm of the length in seconds, sampling rate in Hz.
    """

    features: NDArray[np.float32]
    traits: Floats


def summarise(batch: tuple[Sequence[Signal], Sequence[float], float]) -> Summary:
    """Summaries of clips, as a pure function for engines.

    Args:
        batch: m clips, float32 (t, channels) within -1 to 1 where they are sound; m sampling rates in Hz; and the rate that
            bands are laid over, as `usual` gives it.
    """
    clips, rates, highest = batch
    done = [_clip(clip, rate, highest) for clip, rate in zip(clips, rates, strict=True)]
    return Summary(np.stack([f for f, _ in done]).astype(np.float32), np.stack([t for _, t in done]))


def usual(rates: Floats) -> float:
    """The rate that nine clips in ten do not exceed, Hz."""
    return float(np.quantile(rates, USUAL, method="lower"))


def spectrum(signal: Floats, rate: float) -> tuple[Floats, Floats]:
    """Power of Hann windows that overlap by half: (windows, lines), and the frequency of each line in Hz.

    Args:
        signal: (t,), at least 16 samples. At most 4,096 windows, evenly spread over the clip.
    """
    size = _window(len(signal))
    starts = np.arange(0, len(signal) - size + 1, max(1, size // 2))
    if len(starts) > MOST_WINDOWS:
        starts = starts[np.linspace(0, len(starts) - 1, MOST_WINDOWS).astype(np.intp)]
    shape = np.hanning(size + 1)[:-1]
    cut = signal[starts[:, None] + np.arange(size)] * shape
    power = np.abs(np.fft.rfft(cut, axis=1)) ** 2 / (shape**2).sum() / size
    return np.asarray(power), np.asarray(np.fft.rfftfreq(size, 1 / rate), np.float64)


def _window(length: int) -> int:
    """A power of two with at least four windows in the clip where it can be."""
    return int(2 ** np.clip(np.floor(np.log2(max(length / 2.5, 1))), np.log2(LEAST_WINDOW), np.log2(MOST_WINDOW)))


def edges(lowest: float, highest: float, count: int) -> Floats:
    """Band edges in Hz: linear in mel, the pitch scale of Stevens, Volkmann and Newman (JASA 1937)."""
    mel = np.linspace(np.log1p(lowest / 700), np.log1p(highest / 700), count + 1)
    return np.asarray(700 * np.expm1(mel))


def _clip(clip: Signal, rate: float, highest: float) -> tuple[Floats, Floats]:
    each = [_channel(clip[:, c].astype(np.float64), rate, highest) for c in range(clip.shape[1])]
    properties = np.mean([_properties(clip[:, c].astype(np.float64), rate) for c in range(clip.shape[1])], axis=0)
    return np.asarray(np.concatenate(each), np.float64), np.asarray(properties, np.float64)


def _channel(signal: Floats, rate: float, highest: float) -> Floats:
    power, frequency = spectrum(signal - signal.mean(), rate)
    level = _db(power.sum(axis=1))
    bands = _db(_banded(power, frequency, edges(0, highest / 2 * 1.0001, BANDS)))
    shape = bands - bands.mean(axis=1, keepdims=True)
    lines = _standing_out(power, frequency, highest)
    return np.concatenate([
        _in_time(signal), np.quantile(level, QUANTILES), [level.std()], np.quantile(shape, QUANTILES, axis=0).ravel(),
        shape.std(axis=0), _cepstral(bands).ravel(), _shape(power, frequency), lines,
    ])  # fmt: skip


def _in_time(signal: Floats) -> Floats:
    centred = signal - signal.mean()
    spread = max(float(centred.std()), FLOOR)
    z = centred / spread
    crossing = float((np.signbit(centred[1:]) != np.signbit(centred[:-1])).mean())
    return np.array([
        _db(spread**2), np.abs(z).max(), (z**3).mean(), np.log1p((z**4).mean()), crossing,
        float((z[1:] * z[:-1]).mean()), *np.quantile(np.abs(z), (0.25, 0.5, 0.75, 0.99)),
    ])  # fmt: skip


def _banded(power: Floats, frequency: Floats, bounds: Floats) -> Floats:
    """Mean power between bounds: (windows, bands); a band between two lines takes the nearest, one above all lines nothing."""
    out = np.zeros((len(power), len(bounds) - 1))
    for b, (low, high) in enumerate(pairwise([*bounds[:-1], np.inf])):
        inside = (frequency >= low) & (frequency < high)
        if not inside.any() and low <= frequency[-1]:
            inside[np.abs(frequency - (low + min(high, bounds[-1])) / 2).argmin()] = True
        if inside.any():
            out[:, b] = power[:, inside].mean(axis=1)
    return out


def _standing_out(power: Floats, frequency: Floats, highest: float) -> Floats:
    """(24,) dB by which the strongest line of each band stands over the band's median, in the window where it does so most."""
    bounds = np.linspace(0, highest / 2 * 1.0001, LINES + 1)
    out = np.zeros(LINES)
    for b, (low, high) in enumerate(pairwise([*bounds[:-1], np.inf])):
        inside = power[:, (frequency >= low) & (frequency < high)]
        if inside.shape[1] >= 3:
            out[b] = (_db(inside.max(axis=1)) - _db(np.median(inside, axis=1))).max()
    return out


def _cepstral(bands: Floats) -> Floats:
    """Mean and standard deviation over windows of 13 cepstral coefficients: (2, 13)."""
    from scipy.fft import dct

    found = dct(bands, axis=1, norm="ortho")[:, :CEPSTRAL]
    return np.stack([found.mean(axis=0), found.std(axis=0)])


def _shape(power: Floats, frequency: Floats) -> Floats:
    total = np.maximum(power.sum(axis=1), FLOOR**2)
    centroid = power @ frequency / total
    width = np.sqrt(np.maximum(power @ frequency**2 / total - centroid**2, 0))
    flatness = np.exp(np.log(power + FLOOR).mean(axis=1)) / (power + FLOOR).mean(axis=1)
    rolloff = frequency[(np.cumsum(power, axis=1) >= 0.85 * total[:, None]).argmax(axis=1)]
    shape = np.sqrt(power / total[:, None])
    flux = np.sqrt((np.diff(shape, axis=0) ** 2).sum(axis=1)) if len(shape) > 1 else np.zeros(1)
    scale = frequency[-1]
    each = (centroid / scale, width / scale, flatness, rolloff / scale, flux)
    return np.array([f(x) for x in each for f in (np.mean, np.std)])


def _properties(signal: Floats, rate: float) -> Floats:
    centred = signal - signal.mean()
    spread = max(float(centred.std()), FLOOR)
    power, frequency = spectrum(centred, rate)
    largest = np.abs(signal).max()
    clipped = float((np.abs(signal) >= largest * (1 - 1e-4)).mean()) if largest > 0 else 0.0
    share = np.cumsum(power.mean(axis=0)[::-1])[::-1]
    above = np.flatnonzero(share >= 1e-5 * max(float(share[0]), FLOOR**2))
    top = float(frequency[above[-1]]) if len(above) else 0.0
    quiet = float(np.quantile(_db(power.sum(axis=1)), 0.05))
    return np.array([
        _db(spread**2), quiet, clipped, abs(float(signal.mean())) / spread, top, np.log(len(signal) / rate), rate,
    ])  # fmt: skip


def _db(power: Floats | float) -> Floats:
    return np.asarray(10 * np.log10(np.maximum(power, FLOOR)))
