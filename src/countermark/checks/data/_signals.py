"""Clips of sound and other series, as checks see them: equal ones, spectrograms for people, and how they were recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import Kind, Pixels, Rows, Trait, Traits, Words
from countermark.features.signals import Signal, spectrum

HIGH, WIDE = 64, 96
RANGE_DB = 60.0
LEAST_DB, LEAST_HZ = 0.5, 0.01  # the latter as a share of the median rate, which no few clips move
Floats = NDArray[np.float64]
CLIPS = Words(
    "clip", "clips", "equal in every sample", "clips that were cut, filtered or encoded anew are not found",
    "recordings-differ", "records differently",
    "ask whether microphone, gain, sampling rate or codec changed; train with such clips or ask for the prescribed ones",
)  # fmt: skip


@dataclass(frozen=True)
class Signals:
    """Clips float32 (t, channels), their rates in Hz, and their measured properties (`features.signals.Summary`)."""

    clips: Sequence[Signal]
    rates: Floats
    measured: Floats
    kind: Kind = "signals"
    words: Words = CLIPS

    def __len__(self) -> int:
        return len(self.clips)

    def digests(self) -> list[bytes]:
        """As `Content.digests`: SHA-256 of rate, shape and samples."""
        return [
            hashlib.sha256(f"{rate!r} {clip.shape} ".encode() + np.ascontiguousarray(clip).tobytes()).digest()
            for clip, rate in zip(self.clips, map(float, self.rates), strict=True)
        ]

    def thumbnails(self, rows: Rows) -> Pixels:
        """As `Content.thumbnails`: spectrograms of the first channel, 60 dB from white (nothing) to black, low tones below."""
        return np.stack([_spectrogram(self.clips[r][:, 0].astype(np.float64), float(self.rates[r])) for r in rows])

    def traits(self) -> Traits:
        """As `Content.traits`: level, noise floor, clipping, offset, upper edge of the spectrum, length, sampling rate."""
        edge = LEAST_HZ * float(np.median(self.rates))
        each = (
            Trait(False, lambda d, _, __: f"level {abs(d):.1f} dB {'higher' if d > 0 else 'lower'}", LEAST_DB),
            Trait(False, lambda d, _, __: f"noise floor {abs(d):.1f} dB {'higher' if d > 0 else 'lower'}", LEAST_DB),
            Trait(False, lambda d, _, o: f"clipping: {o + d:.2%} of the samples at the limit, {max(o, 0):.2%} of the others'", 0.002),
            Trait(False, lambda d, _, __: f"constant offset {'more' if d > 0 else 'less'} by {abs(d):.2f} of the level", 0.02),
            Trait(False, lambda d, _, o: f"spectrum ends at {(o + d) / 1000:.3g} kHz, the others' at {o / 1000:.3g}", edge),
            Trait(False, lambda d, _, __: f"clips {np.exp(abs(d)):.2g} times {'longer' if d > 0 else 'shorter'}", 0.05),
            Trait(False, lambda d, _, o: f"sampling rate {o + d:.6g} Hz, the others' {o:.6g}", edge),
        )  # fmt: skip
        return Traits(self.measured, each)


def _spectrogram(signal: Floats, rate: float) -> Pixels:
    power, _ = spectrum(signal - signal.mean(), rate)
    level = 10 * np.log10(np.maximum(power, 1e-12)).T[::-1]
    rows = np.linspace(0, len(level) - 1, HIGH).round().astype(np.intp)
    columns = np.linspace(0, level.shape[1] - 1, WIDE).round().astype(np.intp)
    shown = (level[np.ix_(rows, columns)] - level.max()) / RANGE_DB + 1
    grey = np.asarray(255 * (1 - np.clip(shown, 0, 1)), np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
