"""Families of standard parts: tables of standard dimensions (mm), and how each is built from them.

Sources of the dimensions: ISO 4017, ISO 4762, ISO 10642, ISO 4032, ISO 7089, DIN 985, DIN 934-like nuts,
ISO 15 (bearings), DIN 471, ISO 2338, DIN 6885, EN 1092-1 (flanges PN 16), IEC 60072 frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from countermark.cases.factory._solids import Sampler, Surface, join, polygon, toothed

ZINC, STEEL, BLACK, BRASS = (0.72, 0.74, 0.78), (0.55, 0.56, 0.58), (0.16, 0.16, 0.17), (0.78, 0.62, 0.25)
COPPER, WHITE, GREEN, BLUE = (0.72, 0.45, 0.30), (0.90, 0.90, 0.88), (0.15, 0.50, 0.28), (0.15, 0.30, 0.62)
RED, ORANGE, GREY, IVORY = (0.70, 0.14, 0.13), (0.88, 0.45, 0.10), (0.40, 0.41, 0.43), (0.86, 0.82, 0.70)
Build = Callable[[Sampler], Surface]
Sized = tuple[str, Build]

HEX_BOLT = {3: (5.5, 2.0), 4: (7, 2.8), 5: (8, 3.5), 6: (10, 4.0), 8: (13, 5.3), 10: (16, 6.4), 12: (18, 7.5),
            16: (24, 10), 20: (30, 12.5), 24: (36, 15)}  # fmt: skip
CAP_SCREW = {3: 5.5, 4: 7, 5: 8.5, 6: 10, 8: 13, 10: 16, 12: 18, 16: 24, 20: 30}
COUNTERSUNK = {3: 6.7, 4: 9.0, 5: 11.2, 6: 13.4, 8: 17.9, 10: 22.4, 12: 26.9, 16: 33.6}
HEX_NUT = {3: (5.5, 2.4), 4: (7, 3.2), 5: (8, 4.7), 6: (10, 5.2), 8: (13, 6.8), 10: (16, 8.4), 12: (18, 10.8),
           16: (24, 14.8), 20: (30, 18), 24: (36, 21.5), 30: (46, 25.6), 36: (55, 31)}  # fmt: skip
WASHER = {3: (3.2, 7, 0.5), 4: (4.3, 9, 0.8), 5: (5.3, 10, 1), 6: (6.4, 12, 1.6), 8: (8.4, 16, 1.6), 10: (10.5, 20, 2),
          12: (13, 24, 2.5), 16: (17, 30, 3), 20: (21, 37, 3), 24: (25, 44, 4), 30: (31, 56, 4), 36: (37, 66, 5)}  # fmt: skip
BEARING = {"623": (3, 10, 4), "624": (4, 13, 5), "608": (8, 22, 7), "6000": (10, 26, 8), "6201": (12, 32, 10),
           "6003": (17, 35, 10), "6204": (20, 47, 14), "6205": (25, 52, 15), "6306": (30, 72, 19),
           "6208": (40, 80, 18), "6210": (50, 90, 20), "6313": (65, 140, 33), "6018": (90, 140, 24)}  # fmt: skip
FLANGE = {15: (95, 65, 14, 4), 25: (115, 85, 14, 4), 40: (150, 110, 18, 4), 65: (185, 145, 18, 8),
          100: (220, 180, 18, 8), 150: (285, 240, 22, 8), 200: (340, 295, 22, 12)}  # fmt: skip
CIRCLIP = {8: 7.4, 12: 11, 16: 14.7, 20: 18.5, 25: 23.2, 35: 32.2, 45: 41.5, 60: 55.8}
NEMA = {11: 28, 14: 35, 17: 42, 23: 57, 34: 86, 42: 110}


def _hex_bolts() -> Iterator[Sized]:
    for d, (s, k) in HEX_BOLT.items():
        for length in (2 * d, 3 * d, 5 * d, 8 * d):
            yield f"hex-bolt-m{d}x{length}", lambda m, d=d, s=s, k=k, n=length: join([
                m.prism(polygon(6, s), 0, k, ZINC), m.pipe(0, d / 2, -n, 0, STEEL), *_thread(m, d, -n, -n * 0.25)
            ]).turned((2, 1, 0))  # fmt: skip


def _thread(m: Sampler, d: float, z0: float, z1: float) -> list[Surface]:
    """Dark rings that a thread shows at this scale."""
    pitch = max(d / 5, 0.7)
    return [m.torus(d / 2, pitch * 0.4, BLACK).moved(z=float(z)) for z in np.arange(z0 + pitch, z1, pitch)]


def _cap_screws() -> Iterator[Sized]:
    for d, head in CAP_SCREW.items():
        for length in (2 * d, 4 * d, 7 * d):
            yield f"cap-screw-m{d}x{length}", lambda m, d=d, h=head, n=length: join([
                m.pipe(d * 0.42, h / 2, 0, d, BLACK), m.pipe(0, d / 2, -n, 0, BLACK), m.ring(0, d * 0.42, d * 0.4, STEEL),
            ]).turned((2, 1, 0))  # fmt: skip


def _countersunk() -> Iterator[Sized]:
    for d, head in COUNTERSUNK.items():
        yield f"countersunk-m{d}x{3 * d}", lambda m, d=d, h=head: join([
            m.cone(d / 2, h / 2, -(h - d) / 2, 0, BRASS), m.ring(d * 0.3, h / 2, 0, BRASS),
            m.ring(0, d * 0.3, -0.2, BLACK), m.pipe(0, d / 2, -3 * d, -(h - d) / 2, BRASS),
        ]).turned((2, 1, 0))  # fmt: skip


def _nuts() -> Iterator[Sized]:
    for d, (s, height) in HEX_NUT.items():
        yield f"hex-nut-m{d}", lambda m, d=d, s=s, h=height: m.prism(polygon(6, s), 0, h, ZINC, hole=d / 2)
        if d in (5, 8, 12, 20, 30):
            yield f"lock-nut-m{d}", lambda m, d=d, s=s, h=height: join([
                m.prism(polygon(6, s), 0, h, STEEL, hole=d / 2), m.pipe(d / 2, s * 0.42, h, h * 1.35, BLUE)])  # fmt: skip
        if d in (6, 10, 16, 24):
            yield f"cap-nut-m{d}", lambda m, d=d, s=s, h=height: join([
                m.prism(polygon(6, s), 0, h, BRASS), m.ball(s * 0.44, BRASS).moved(z=h)])  # fmt: skip
        if d in (4, 8, 16):
            yield f"wing-nut-m{d}", lambda m, d=d, s=s, h=height: join([
                m.cone(s * 0.6, s * 0.4, 0, h, ZINC), m.box((s * 2.6, s * 0.22, h * 1.4), ZINC, (0, 0, h))])  # fmt: skip


def _washers() -> Iterator[Sized]:
    for d, (inner, outer, h) in WASHER.items():
        yield f"washer-m{d}", lambda m, i=inner, o=outer, h=h: m.pipe(i / 2, o / 2, 0, h, ZINC)
        if d in (6, 12, 20, 30):
            yield f"fender-washer-m{d}", lambda m, i=inner, o=outer, h=h: m.pipe(i / 2, o * 0.8, 0, h, STEEL)
        if d in (5, 10, 16, 24):
            yield f"spring-washer-m{d}", lambda m, i=inner, o=outer, h=h: m.torus(
                (i + o * 0.85) / 4, (o * 0.85 - i) / 2, BLACK, arc=2 * np.pi * 0.94)  # fmt: skip


def _bearings() -> Iterator[Sized]:
    for name, (bore, outer, width) in BEARING.items():
        yield f"bearing-{name}", lambda m, b=bore, o=outer, w=width: join([
            m.pipe(b / 2, b / 2 + (o - b) * 0.12, 0, w, ZINC), m.pipe(o / 2 - (o - b) * 0.12, o / 2, 0, w, ZINC),
            m.ring(b / 2 + (o - b) * 0.12, o / 2 - (o - b) * 0.12, w * 0.9, BLUE if o > 40 else GREY),
        ])  # fmt: skip


def _gears() -> Iterator[Sized]:
    for module, teeth in ((1, 12), (1, 20), (1, 32), (1.5, 18), (1.5, 40), (2, 16), (2, 30), (2.5, 48), (3, 24), (4, 36), (4, 60), (1, 50), (2, 60), (5, 20), (3, 80)):
        pitch = module * teeth / 2
        yield f"spur-gear-m{module}-z{teeth}", lambda m, p=pitch, k=module, z=teeth: join([
            m.prism(toothed(z, p - 1.25 * k, p + k), 0, 8 * k, STEEL, hole=p * 0.25),
            m.pipe(p * 0.25, p * 0.5, 8 * k, 11 * k, STEEL),
        ])  # fmt: skip
    for teeth in (16, 20, 30, 40, 60):
        r = 5 * teeth / (2 * np.pi)
        yield f"pulley-t5-z{teeth}", lambda m, r=r, z=teeth: join([
            m.prism(toothed(z, r - 1.2, r), 0, 12, IVORY, hole=r * 0.3),
            m.pipe(r * 0.3, r * 1.12, 12, 13.5, STEEL), m.pipe(r * 0.3, r * 1.12, -1.5, 0, STEEL),
        ])  # fmt: skip


def _flanges() -> Iterator[Sized]:
    for dn, (outer, circle, hole, bolts) in FLANGE.items():
        yield f"flange-dn{dn}", lambda m, d=dn, o=outer, c=circle, h=hole, n=bolts: join([
            m.pipe(d / 2, o / 2, 0, o * 0.1, GREY), m.pipe(d / 2, d / 2 + o * 0.08, o * 0.1, o * 0.3, GREY),
            *(m.ring(0, h / 2, o * 0.1 + 0.2, BLACK).moved(c / 2 * np.cos(a), c / 2 * np.sin(a))
              for a in np.arange(n) * 2 * np.pi / n),
        ])  # fmt: skip


def _brackets() -> Iterator[Sized]:
    for a, b, w, t in ((15, 15, 10, 2), (20, 40, 15, 2), (30, 30, 20, 3), (40, 60, 25, 4), (60, 60, 40, 5), (80, 120, 50, 6), (120, 120, 60, 8), (150, 250, 80, 8)):
        yield f"bracket-{a}x{b}", lambda m, a=a, b=b, w=w, t=t: join([
            m.box((b, w, t), ZINC, (b / 2, 0, 0)), m.box((t, w, a), ZINC, (0, 0, a / 2)),
            m.ring(0, w * 0.16, t / 2 + 0.1, BLACK).moved(b * 0.45), m.ring(0, w * 0.16, t / 2 + 0.1, BLACK).moved(b * 0.8),
        ])  # fmt: skip


def _springs() -> Iterator[Sized]:
    for wire, outer, length, turns in ((0.8, 6, 20, 9), (1, 10, 15, 5), (1, 10, 30, 9), (1.6, 16, 40, 7), (2, 20, 80, 11), (3, 32, 60, 6), (4, 40, 100, 8), (6, 60, 160, 8), (8, 90, 220, 7), (1.2, 12, 60, 14), (2.5, 25, 45, 6), (5, 50, 240, 14)):
        radius = (outer - wire) / 2
        yield f"spring-{wire}x{outer}x{length}", lambda m, w=wire, r=radius, n=length, k=turns: m.wire(
            lambda t: np.stack([n * (t - 0.5), r * np.cos(2 * np.pi * k * t), r * np.sin(2 * np.pi * k * t)], 1),
            float(np.hypot(2 * np.pi * r * k, n)), w, STEEL)  # fmt: skip


def _connectors() -> Iterator[Sized]:
    for rows, pins in ((1, 3), (1, 6), (1, 10), (2, 3), (2, 5), (2, 8), (2, 13)):
        yield f"pin-header-{rows}x{pins}", lambda m, r=rows, n=pins: join([
            m.box((2.54 * n, 2.54 * r, 2.54), BLACK),
            *(m.box((0.64, 0.64, 9), BRASS, ((i - (n - 1) / 2) * 2.54, (j - (r - 1) / 2) * 2.54, 1.8))
              for i in range(n) for j in range(r)),
        ])  # fmt: skip
    for pins in (2, 3, 4, 6, 8, 12, 16):
        yield f"terminal-{pins}", lambda m, n=pins: join([
            m.box((5.08 * n, 8, 10), GREEN),
            *(m.ring(0, 1.6, 5.1, ZINC).moved((i - (n - 1) / 2) * 5.08, -1) for i in range(n)),
            *(m.box((3, 0.4, 3), BLACK, ((i - (n - 1) / 2) * 5.08, -4.05, -1.5)) for i in range(n)),
        ])  # fmt: skip
    for pins in (4, 7, 12, 24):
        yield f"round-connector-{pins}", lambda m, n=pins: join([
            m.pipe(6 + n * 0.4, 8 + n * 0.5, 0, 14, ZINC), m.ring(0, 6 + n * 0.4, 6, BLACK),
            *(m.pipe(0, 0.7, 6, 12, BRASS).moved((3 + n * 0.25) * np.cos(a), (3 + n * 0.25) * np.sin(a))
              for a in np.arange(n) * 2 * np.pi / n),
        ])  # fmt: skip


def _pins_and_keys() -> Iterator[Sized]:
    for d, length in ((2, 12), (3, 20), (4, 30), (6, 40), (8, 50), (10, 80), (16, 100), (20, 160), (5, 60), (3, 32)):
        yield f"dowel-{d}x{length}", lambda m, d=d, n=length: m.pipe(0, d / 2, -n / 2, n / 2, STEEL).turned((2, 1, 0))
    for b, length in ((4, 14), (6, 25), (8, 36), (12, 56), (18, 90)):
        yield f"key-{b}x{length}", lambda m, b=b, n=length: m.box((n, b, b * 0.85), GREY)
    for d, inner in CIRCLIP.items():
        yield f"circlip-{d}", lambda m, d=d, i=inner: join([
            m.torus(d / 2, (d - i) * 1.3, BLACK, arc=2 * np.pi * 0.86),
            m.ring(0, d * 0.09, 0.3, BLACK).moved(d * 0.5, 0), m.ring(0, d * 0.09, 0.3, BLACK).moved(d * 0.32, -d * 0.38),
        ])  # fmt: skip
    for d in (10, 20, 32, 50, 75, 110, 160, 240, 320):
        yield f"o-ring-{d}", lambda m, d=d: m.torus(d / 2, max(1.8, d * 0.06), BLACK)


def _shafts_and_knobs() -> Iterator[Sized]:
    for d, length in ((6, 60), (8, 100), (12, 150), (20, 200), (30, 300), (40, 340)):
        yield f"shaft-{d}x{length}", lambda m, d=d, n=length: join([
            m.pipe(0, d / 2, -n / 2, n / 2, ZINC), m.pipe(0, d * 0.36, n / 2, n / 2 + d, STEEL),
            m.box((d * 0.3, d * 0.2, n * 0.2), BLACK, (d * 0.42, 0, n * 0.3)),
        ]).turned((2, 1, 0))  # fmt: skip
    for d in (16, 25, 40, 63, 80):
        yield f"star-knob-{d}", lambda m, d=d: join([
            m.prism(toothed(6, d * 0.36, d / 2, share=0.6), 0, d * 0.35, BLACK),
            m.pipe(0, d * 0.18, -d * 0.3, 0, BRASS)])  # fmt: skip
    for d in (80, 125, 200, 320):
        yield f"handwheel-{d}", lambda m, d=d: join([
            m.torus(d * 0.46, d * 0.08, BLACK), m.pipe(d * 0.05, d * 0.13, -d * 0.06, d * 0.06, STEEL),
            *(m.box((d * 0.66 if not r else d * 0.07, d * 0.07 if not r else d * 0.66, d * 0.04), GREY) for r in (0, 1)),
            m.pipe(0, d * 0.05, 0, d * 0.25, RED).moved(d * 0.46),
        ])  # fmt: skip


def _electrical() -> Iterator[Sized]:
    for d, h in ((5, 11), (8, 12), (10, 20), (16, 25), (22, 40), (35, 60), (63, 100)):
        yield f"capacitor-{d}x{h}", lambda m, d=d, h=h: join([
            m.pipe(0, d / 2, 0, h, BLUE), m.ring(0, d * 0.44, h + 0.1, ZINC),
            m.box((d * 0.3, 0.4, h * 0.9), WHITE, (0, -d / 2, h / 2)),
        ]).turned((2, 1, 0))  # fmt: skip
    for w, h, t, pins in ((15, 19, 15, 5), (28, 12, 10, 8), (22, 28, 36, 8), (40, 30, 30, 11)):
        yield f"relay-{w}x{h}", lambda m, w=w, h=h, t=t, n=pins: join([
            m.box((w, h, t), ORANGE if w > 25 else BLUE), m.box((w * 0.7, h * 0.5, 0.2), WHITE, (0, 0, t / 2)),
            *(m.box((0.8, 0.8, 5), BRASS, ((i - n / 2) * w / n, h * 0.3, -t / 2 - 2)) for i in range(n)),
        ])  # fmt: skip
    for frame, side in NEMA.items():
        yield f"stepper-nema{frame}", lambda m, a=side: join([
            m.box((a, a, a * 0.3), GREY, (0, 0, a * 0.35)), m.box((a, a, a * 0.6), BLACK, (0, 0, -a * 0.1)),
            m.pipe(0, a * 0.06, a * 0.5, a * 1.0, ZINC), m.pipe(0, a * 0.26, a * 0.5, a * 0.55, ZINC),
        ])  # fmt: skip
    for side in (25, 40, 60, 92, 120, 200):
        yield f"fan-{side}", lambda m, a=side: join([
            m.pipe(a * 0.47, a * 0.52, 0, a * 0.25, BLACK), m.pipe(0, a * 0.18, 0, a * 0.25, GREY),
            *(m.box((a * 0.3, a * 0.1, a * 0.02), BLACK, (0, 0, 0)).moved(a * 0.32 * np.cos(t), a * 0.32 * np.sin(t), a * 0.15)
              for t in np.arange(7) * 2 * np.pi / 7),
            *(m.ring(0, a * 0.06, a * 0.25, ZINC).moved(x * a * 0.42, y * a * 0.42) for x in (-1, 1) for y in (-1, 1)),
        ])  # fmt: skip
    for d, length in ((12, 25), (16, 30), (20, 36), (32, 45), (50, 60)):
        yield f"cable-gland-{d}", lambda m, d=d, n=length: join([
            m.prism(polygon(6, d * 1.3), 0, n * 0.3, GREY, hole=d * 0.3), m.pipe(0, d / 2, -n * 0.35, 0, GREY),
            m.cone(d * 0.6, d * 0.42, n * 0.3, n * 0.65, BLACK), m.ring(d * 0.25, d * 0.42, n * 0.65, BLACK),
        ]).turned((2, 1, 0))  # fmt: skip
    for d, length in ((5, 20), (6, 32), (10, 38), (22, 58)):
        yield f"fuse-{d}x{length}", lambda m, d=d, n=length: join([
            m.pipe(0, d / 2, -n / 2, n / 2, WHITE), m.pipe(0, d * 0.54, -n / 2, -n * 0.3, ZINC),
            m.pipe(0, d * 0.54, n * 0.3, n / 2, ZINC),
        ]).turned((2, 1, 0))  # fmt: skip


def _pipework() -> Iterator[Sized]:
    for d in (8, 12, 18, 28, 42, 60):
        yield f"elbow-{d}", lambda m, d=d: m.torus(d * 1.3, d, COPPER, arc=np.pi / 2)
        yield f"tee-{d}", lambda m, d=d: join([
            m.pipe(d * 0.4, d / 2, -d * 1.6, d * 1.6, COPPER).turned((2, 1, 0)),
            m.pipe(d * 0.4, d / 2, 0, d * 1.6, COPPER).turned((0, 2, 1)),
        ])  # fmt: skip
    for d in (15, 20, 32, 50, 80):
        yield f"ball-valve-{d}", lambda m, d=d: join([
            m.ball(d * 0.8, BRASS), m.pipe(d * 0.4, d * 0.6, -d * 1.5, d * 1.5, BRASS).turned((2, 1, 0)),
            m.box((d * 2.4, d * 0.35, d * 0.12), RED, (d * 0.9, 0, d * 1.1)),
        ])  # fmt: skip


FAMILIES: tuple[Callable[[], Iterator[Sized]], ...] = (
    _hex_bolts, _cap_screws, _countersunk, _nuts, _washers, _bearings, _gears, _flanges, _brackets, _springs,
    _connectors, _pins_and_keys, _shafts_and_knobs, _electrical, _pipework,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """A (type, size) of a family: its label, its family, and how to build its surface."""

    label: str
    family: str
    build: Build


def models() -> list[Model]:
    """All parametric parts, in a fixed order."""
    out = []
    for family in FAMILIES:
        out += [Model(label.replace(".", "_"), family.__name__.strip("_"), build) for label, build in family()]
    return out
