"""Small prints of pictures for finding copies: what they look like, lying as delivered, enlarged, and brought to one place and size.

The 64 lowest frequencies of a print describe it; mirrored and turned pictures have the same ones with other signs and order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._pixels import shares

SIDE, COARSE, LOW = 32, 16, 8
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of ITU-R BT.601: what colours become where a picture is made grey
EDGE = 3  # of 32 lines that may be a border; left out where the place of what is shown is measured
ENLARGED = 0.9  # of the side: the middle that is left of a picture that was cropped by 5 % at each edge
REACH = 2.2  # standard deviations of what is shown
LEAST_CONTRAST = 1.0  # grey levels of standard deviation; flatter pictures have nothing to compare
FLOOR = 2.0  # median distances from the median grey that are background
BATCH = 1000
Pixels = NDArray[np.uint8]
Greys = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prints:
    """Of n pictures.

    Attributes:
        small: float32 (n, 32, 32) luma. place: (n, 4) half height, middle row, half width and middle column of what is shown, in
            lines of `small` from its centre. low: kind -> (n, 8, 8) frequencies of length 1: "lying", "placed", "enlarged".
        flat: (n,) pictures without contrast.
    """

    small: Greys
    place: Greys
    low: dict[str, Greys]
    flat: NDArray[np.bool_]

    def shown(self, kind: str) -> Pixels:
        """What a kind of print shows, as pictures for the perceptual hash: uint8 (n, 16, 16, 3)."""
        return np.repeat(np.clip(np.rint(_cut(self, kind)), 0, 255).astype(np.uint8)[..., None], 3, axis=3)

    def place_in(self, rows: NDArray[np.intp], pose: NDArray[np.intp]) -> Greys:
        """Places of rows as if the pictures had been delivered in another pose: (m, 4)."""
        place = self.place[rows]
        out = np.where((pose & 4 > 0)[:, None], place[:, [2, 3, 0, 1]], place)
        out[:, 1] *= np.where(pose & 2, -1, 1)
        out[:, 3] *= np.where(pose & 1, -1, 1)
        return np.asarray(out, np.float32)


def luma(images: Pixels) -> Greys:
    """float32 (n, h, w) of uint8 (n, h, w, 3)."""
    return np.asarray(images.astype(np.float32) @ LUMA)


def prints(images: Pixels) -> Prints:
    """Prints of uint8 (n, h, w, 3), n at least 1."""
    height, width = images.shape[1:3]
    down, across = shares(height, SIDE), shares(width, SIDE).T
    parts = [down @ luma(images[at : at + BATCH]) @ across for at in range(0, len(images), BATCH)]
    small = np.concatenate(parts).astype(np.float32)
    out = Prints(small, _place(small), {}, small.std(axis=(1, 2)) < LEAST_CONTRAST)
    out.low.update({kind: _low(_cut(out, kind)) for kind in ("lying", "placed", "enlarged")})
    return out


def _cut(prints: Prints, kind: str) -> Greys:
    """What a kind of print shows, at 16 x 16; edges are repeated beyond the picture."""
    half = SIDE / 2 * (ENLARGED if kind == "enlarged" else 1)
    whole = np.tile(np.array([half, 0, half, 0], np.float32), (len(prints.small), 1))
    place = prints.place if kind == "placed" else whole
    down, across = (_samples(place[:, at + 1], place[:, at]) for at in (0, 2))
    return np.asarray(down @ prints.small @ across.swapaxes(1, 2))


def _samples(middle: Greys, half: Greys) -> Greys:
    """(n, 16, 32) weights of lines: a triangle about each place, as wide as the step."""
    places = middle[:, None] + half[:, None] * ((np.arange(COARSE) + 0.5) * 2 / COARSE - 1) + (SIDE - 1) / 2
    wide = np.maximum(2 * half / COARSE, 1)[:, None, None]
    out = np.maximum(0, 1 - np.abs(np.clip(places, 0, SIDE - 1)[:, :, None] - np.arange(SIDE)) / wide)
    return np.asarray(out / out.sum(axis=2, keepdims=True), np.float32)


def _place(small: Greys) -> Greys:
    """Where the contrast lies: middle and spread of what differs from the background."""
    inner = small[:, EDGE:-EDGE, EDGE:-EDGE]
    far = np.abs(inner - np.median(inner, axis=(1, 2), keepdims=True))
    weight = np.maximum(far - FLOOR * np.median(far, axis=(1, 2), keepdims=True), 0)
    weight /= np.maximum(weight.sum(axis=(1, 2), keepdims=True), 1e-6)
    line = np.arange(EDGE, SIDE - EDGE) - (SIDE - 1) / 2
    out = []
    for along in (weight.sum(axis=2), weight.sum(axis=1)):
        middle = along @ line
        spread = np.sqrt(np.maximum((along * (line - middle[:, None]) ** 2).sum(axis=1), 0))
        out += [np.maximum(REACH * spread, 2), middle]
    return np.stack(out, axis=1).astype(np.float32)


def _low(pictures: Greys) -> Greys:
    """Lowest 8 x 8 frequencies, of length 1, of pictures faded to the edges."""
    fade = _fade()
    mean = (pictures * fade).sum(axis=(1, 2), keepdims=True) / fade.sum()
    out = _cosines() @ ((pictures - mean) * np.sqrt(fade)) @ _cosines().T
    return np.asarray(out / np.maximum(np.sqrt((out**2).sum(axis=(1, 2), keepdims=True)), 1e-6), np.float32)


@cache
def _fade() -> Greys:
    line = np.sqrt(np.hanning(COARSE + 2)[1:-1])
    return np.asarray(np.outer(line, line), np.float32)


@cache
def _cosines() -> Greys:
    waves = np.cos(np.pi * np.arange(LOW)[:, None] * (np.arange(COARSE) + 0.5) / COARSE)
    return np.asarray(waves / np.linalg.norm(waves, axis=1, keepdims=True), np.float32)
