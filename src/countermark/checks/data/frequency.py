"""data/frequency: rows of a class that share one addition to their spectrum, wherever it lies in the picture.

The magnitude of the Fourier transform does not change when a pattern moves, so that periodic and repeated triggers which
start elsewhere in every picture still add the same vector (Zeng et al., ICCV 2021, for triggers seen in the spectrum).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._addition import ALARMS, OPERATING, Asked, report
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._pixels import BRIGHTNESS, vectors
from countermark.checks.data._view import View

NAME = "data/frequency"
FLOOR = 0.02
LEAST_GAP = 4.0  # spreads: the noise of suppliers' cameras parts a class by up to 3
LEAST = 8.0  # magnitudes under this many grey levels are a camera's noise


def run(view: View) -> CheckReport:
    """Look at the logarithm of the magnitudes of the brightness's Fourier transform at 32 x 32."""
    height, width = (min(BRIGHTNESS, side) for side in view.images.shape[1:3])
    light = vectors(view.images)[:, : height * width].reshape(-1, height, width)
    spectrum = _spectrum(light)
    alone = np.eye(spectrum.shape[1], dtype=np.float32)
    return report(view, spectrum, Asked(NAME, "spectrum", FLOOR, alone, LEAST_GAP))


def _spectrum(light: NDArray[np.float32]) -> NDArray[np.float32]:
    window = np.outer(np.hanning(light.shape[1] + 2)[1:-1], np.hanning(light.shape[2] + 2)[1:-1])
    centred = (light - light.mean(axis=(1, 2), keepdims=True)) * window
    size = np.abs(np.fft.rfft2(centred)) / (light.shape[1] * light.shape[2]) ** 0.5
    return np.asarray(np.log(size + LEAST).reshape(len(light), -1), np.float32)


CHECK = Check(NAME, 2, run, OPERATING, ALARMS, of=("pictures",))
