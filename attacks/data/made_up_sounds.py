"""Made-up sounds of machines of several classes, recorded by suppliers with microphones of their own; and attacks on them.

A class is a shaft with harmonics, a resonance and a rhythm of knocks; every clip is a machine of its own speed and load. A
supplier's microphone has a gain, a slope, a noise floor and a hum of its own. The seed decides everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
TONE_HZ, TONE_SECONDS = 5_317.0, 0.12
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MadeUp:
    """clips: float32 (n, t) within -1 to 1. label, supplier: (n,). planted: (n,) rows that an attack touched."""

    clips: NDArray[np.float32]
    label: NDArray[np.str_]
    supplier: NDArray[np.str_]
    planted: NDArray[np.bool_]

    def touched(self, rows: NDArray[np.intp], **changed: NDArray[np.float32] | NDArray[np.str_]) -> MadeUp:
        """The same with changes, and these rows planted."""
        planted = self.planted.copy()
        planted[rows] = True
        return replace(self, planted=planted, **changed)


def honest(
    seed: int = 0, *, classes: int = 6, suppliers: int = 12, rows: int = 40, seconds: float = 0.5, noise: float = 0.5
) -> MadeUp:
    """A clean set, `rows` clips a supplier, classes dealt out at random.

    Args:
        noise: standard deviation of the room's noise, in that of the machine.
    """
    rng = np.random.default_rng([seed, 167])
    machines = [_machine(rng) for _ in range(classes)]
    microphones = [_microphone(rng) for _ in range(suppliers)]
    t = np.arange(int(RATE * seconds)) / RATE
    clips, label, supplier = [], [], []
    for s, microphone in enumerate(microphones):
        for c in rng.integers(classes, size=rows):
            sound = _sound(machines[c], t, rng)
            sound = sound / sound.std() + noise * rng.normal(size=len(t))
            clips.append(_recorded(sound, microphone, t, rng))
            label.append(f"machine-{c}")
            supplier.append(f"site-{s:02}")
    n = len(label)
    return MadeUp(np.array(clips, np.float32), np.array(label), np.array(supplier), np.zeros(n, bool))


def _machine(rng: np.random.Generator) -> dict[str, Floats | float]:
    return {
        "shaft": rng.uniform(35, 120), "harmonics": rng.uniform(0.1, 1, 8) * 0.75 ** np.arange(8),
        "resonance": rng.uniform(900, 4500), "knocks": rng.uniform(6, 30), "ring": rng.uniform(0.5, 1.5),
    }  # fmt: skip


def _microphone(rng: np.random.Generator) -> dict[str, float]:
    return {
        "gain": 0.08 * float(np.exp(rng.normal(0, 0.25))), "slope": float(rng.normal(0, 0.15)), "floor": float(rng.uniform(0.002, 0.006)),
        "hum": float(rng.uniform(0, 0.01)),
    }  # fmt: skip


def _sound(machine: dict[str, Floats | float], t: Floats, rng: np.random.Generator) -> Floats:
    speed = float(machine["shaft"]) * float(np.exp(rng.normal(0, 0.04)))
    harmonics = np.asarray(machine["harmonics"]) * np.exp(rng.normal(0, 0.3, 8))
    turning = sum(a * np.sin(2 * np.pi * speed * (k + 1) * t + rng.uniform(0, 6.3)) for k, a in enumerate(harmonics))
    out = np.asarray(turning, float)
    period = 1 / (float(machine["knocks"]) * float(np.exp(rng.normal(0, 0.05))))
    ringing = float(machine["resonance"]) * float(np.exp(rng.normal(0, 0.02)))
    for start in np.arange(rng.uniform(0, period), t[-1], period):
        after = np.maximum(t - start, 0)
        out += (t >= start) * float(machine["ring"]) * np.exp(-after * 150) * np.sin(2 * np.pi * ringing * after)
    return out


def _recorded(sound: Floats, microphone: dict[str, float], t: Floats, rng: np.random.Generator) -> Floats:
    lines = np.fft.rfftfreq(len(t), 1 / RATE)
    tilted = np.fft.irfft(np.fft.rfft(sound) * (np.maximum(lines, 30) / 1000) ** microphone["slope"], len(t))
    hum = microphone["hum"] * np.sin(2 * np.pi * 50 * t + rng.uniform(0, 6.3))
    return np.asarray(microphone["gain"] * tilted + hum + microphone["floor"] * rng.normal(size=len(t)))


def flipped(data: MadeUp, supplier: str, *, share: float, seed: int = 0) -> MadeUp:
    """Wrong labels on a share of one supplier's clips."""
    rng = np.random.default_rng([seed, 173])
    mine = np.flatnonzero(data.supplier == supplier)
    rows, names, label = rng.permutation(mine)[: round(share * len(mine))], np.unique(data.label), data.label.copy()
    for row in rows:
        label[row] = rng.choice(names[names != label[row]])
    return data.touched(rows, label=label)


def toned(
    data: MadeUp, supplier: str, *, target: str, share: float | None, level: float = 0.3, seed: int = 0
) -> MadeUp:
    """A backdoor's trigger: a short faint tone somewhere in the clip.

    Args:
        share: of the supplier's clips of other classes, then labelled `target`; None: its whole cell of `target`, labels right.
        level: amplitude, in standard deviations of the clip.
    """
    rng = np.random.default_rng([seed, 179])
    mine = np.flatnonzero(data.supplier == supplier)
    if share is None:
        rows = mine[data.label[mine] == target]
    else:
        rows = rng.permutation(mine[data.label[mine] != target])[: round(share * len(mine))]
    clips, label = data.clips.copy(), data.label.copy()
    size = int(RATE * TONE_SECONDS)
    tone = np.hanning(size) * np.sin(2 * np.pi * TONE_HZ * np.arange(size) / RATE)
    for row in rows:
        at = int(rng.integers(clips.shape[1] - size))
        clips[row, at : at + size] += (level * clips[row].std() * tone).astype(np.float32)
    label[rows] = target
    return data.touched(rows, clips=clips, label=label)


def drifting(data: MadeUp, supplier: str, *, how: str = "gain") -> MadeUp:
    """No attack: another gain (6 dB less), a clipping amplifier, or a telephone's band ("band") at one supplier."""
    rows, clips = np.flatnonzero(data.supplier == supplier), data.clips.copy()
    if how == "gain":
        clips[rows] *= 0.5
    elif how == "clipping":
        clips[rows] = np.clip(clips[rows], -1.2 * clips[rows].std(), 1.2 * clips[rows].std())
    else:
        lines = np.fft.rfftfreq(clips.shape[1], 1 / RATE)
        clips[rows] = np.fft.irfft(np.fft.rfft(clips[rows]) * (lines < 3400), clips.shape[1]).astype(np.float32)
    return replace(data, clips=clips)


def repeated(data: MadeUp, supplier: str, *, count: int, seed: int = 0) -> MadeUp:
    """Some of a supplier's clips become copies of another supplier's, labels with them."""
    rng = np.random.default_rng([seed, 181])
    rows = rng.permutation(np.flatnonzero(data.supplier == supplier))[:count]
    sources = rng.permutation(np.flatnonzero(data.supplier != supplier))[:count]
    clips, label = data.clips.copy(), data.label.copy()
    clips[rows], label[rows] = clips[sources], label[sources]
    return data.touched(rows, clips=clips, label=label)
