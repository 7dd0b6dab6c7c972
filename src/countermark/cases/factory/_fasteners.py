"""Screws, nuts, washers, pins, keys, rings and springs: tables of standard dimensions (mm) and how each is built.

Tables: ISO 4017 (hexagon head screws), ISO 4762 (socket cap), ISO 10642 (countersunk), ISO 7380 (button head),
DIN 580 (eye bolts), DIN 603 (carriage bolts), ISO 4032 (nuts), DIN 6923 (flange nuts), DIN 557 (square nuts),
ISO 7089 and ISO 7093 (washers), DIN 436 (square washers), DIN 471 (circlips), ISO 2338 (dowels), DIN 6885 and
DIN 6888 (keys), ISO 1234 (split pins), ISO 3601 (O-rings), DIN 2093 (disc springs).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from countermark.cases.factory._solids import (
    BLACK,
    BLUE,
    BRASS,
    GREY,
    LAY,
    RED,
    STEEL,
    ZINC,
    Colour,
    Sampler,
    Sized,
    Surface,
    join,
    polygon,
)

# nominal diameter: (width across flats, head height)
HEX_BOLT = {3: (5.5, 2.0), 4: (7.0, 2.8), 5: (8.0, 3.5), 6: (10.0, 4.0), 8: (13.0, 5.3), 10: (16.0, 6.4),
            12: (18.0, 7.5), 16: (24.0, 10.0), 20: (30.0, 12.5), 24: (36.0, 15.0), 30: (46.0, 18.7),
            36: (55.0, 22.5)}  # fmt: skip
CAP_SCREW = {3: 5.5, 4: 7.0, 5: 8.5, 6: 10.0, 8: 13.0, 10: 16.0, 12: 18.0, 16: 24.0, 20: 30.0, 24: 36.0, 30: 45.0}
COUNTERSUNK = {3: 6.7, 4: 9.0, 5: 11.2, 6: 13.4, 8: 17.9, 10: 22.4, 12: 26.9, 16: 33.6, 20: 40.3}
BUTTON = {3: (5.7, 1.65), 4: (7.6, 2.2), 5: (9.5, 2.75), 6: (10.5, 3.3), 8: (14.0, 4.4), 10: (17.5, 5.5), 12: (21.0, 6.6),
          16: (28.0, 8.8)}  # fmt: skip
CARRIAGE = {6: (16.6, 3.9), 8: (20.7, 4.9), 10: (24.7, 5.4), 12: (30.7, 6.95), 16: (38.8, 8.95), 20: (46.8, 11.1)}
EYE_BOLT = {8: (20, 36, 13), 10: (25, 45, 17), 12: (30, 54, 20.5), 16: (35, 63, 27), 20: (40, 72, 30), 24: (50, 90, 36),
            30: (60, 108, 45)}  # fmt: skip
HEX_NUT = {3: (5.5, 2.4), 4: (7.0, 3.2), 5: (8.0, 4.7), 6: (10.0, 5.2), 8: (13.0, 6.8), 10: (16.0, 8.4), 12: (18.0, 10.8),
           16: (24.0, 14.8), 20: (30.0, 18.0), 24: (36.0, 21.5), 30: (46.0, 25.6), 36: (55.0, 31.0), 42: (65.0, 34.0),
           56: (85.0, 45.0)}  # fmt: skip
WASHER = {3: (3.2, 7, 0.5), 4: (4.3, 9, 0.8), 5: (5.3, 10, 1), 6: (6.4, 12, 1.6), 8: (8.4, 16, 1.6), 10: (10.5, 20, 2),
          12: (13, 24, 2.5), 16: (17, 30, 3), 20: (21, 37, 3), 24: (25, 44, 4), 30: (31, 56, 4), 36: (37, 66, 5),
          42: (45, 78, 8), 56: (62, 105, 10)}  # fmt: skip
CIRCLIP = {8: 7.4, 12: 11.0, 16: 14.7, 20: 18.5, 25: 23.2, 35: 32.2, 45: 41.5, 60: 55.8, 85: 79.5, 120: 113.0}
SPRINGS = ((0.8, 6, 20, 9), (1, 10, 15, 5), (1, 10, 30, 9), (1.6, 16, 40, 7), (2, 20, 80, 11), (3, 32, 60, 6),
           (4, 40, 100, 8), (6, 60, 160, 8), (8, 90, 220, 7), (1.2, 12, 60, 14), (2.5, 25, 45, 6), (5, 50, 240, 14),
           (1.5, 24, 22, 4), (3, 50, 50, 5))  # fmt: skip


def thread(m: Sampler, d: float, z0: float, z1: float, colour: Colour) -> Surface:
    """A threaded shank: its core and the crests of a helix, at a pitch that still shows at this scale."""
    pitch = max(d / 4, 0.8)
    turns = max((z1 - z0) / pitch, 1.0)
    core = m.pipe(0, d * 0.42, z0, z1, tuple(c * 0.6 for c in colour))  # type: ignore[arg-type]
    return join([core, m.coil(d * 0.44, pitch * 0.55, z1 - z0, turns, colour).moved(z=(z0 + z1) / 2)])


def hex_bolt(m: Sampler, d: float, s: float, k: float, length: float) -> Surface:
    plain = max(0.0, length - 3 * d)
    shank = [m.pipe(0, d / 2, -plain, 0, ZINC)] if plain else []
    head = [
        m.prism(polygon(6, s), 0, k * 0.85, ZINC),
        m.cone(s * 0.5, s * 0.44, k * 0.85, k, ZINC),
        m.ring(0, s * 0.44, k, ZINC),
    ]
    return join([*head, *shank, thread(m, d, -length, -plain, ZINC)]).turned(LAY)


def cap_screw(m: Sampler, d: float, head: float, length: float) -> Surface:
    return join(
        [
            m.pipe(d * 0.42, head / 2, 0, d, BLACK),
            m.ring(0, d * 0.42, d * 0.3, BLACK),
            thread(m, d, -length, 0, BLACK),
        ]
    ).turned(LAY)


def countersunk(m: Sampler, d: float, head: float, length: float) -> Surface:
    depth = (head - d) / 2
    return join(
        [
            m.cone(d / 2, head / 2, -depth, 0, BRASS),
            m.ring(d * 0.3, head / 2, 0, BRASS),
            m.ring(0, d * 0.3, -0.3, BLACK),
            thread(m, d, -length, -depth, BRASS),
        ]
    ).turned(LAY)


def button_head(m: Sampler, d: float, head: float, k: float, length: float) -> Surface:
    dome = m.ball(head / 2, STEEL, above=0.0)
    flat = Surface(dome.points * np.array([1, 1, 2 * k / head], np.float32), dome.normals, dome.colours)
    return join([flat, m.ring(0, head / 2, 0, STEEL, up=False), thread(m, d, -length, 0, STEEL)]).turned(LAY)


def carriage_bolt(m: Sampler, d: float, head: float, k: float, length: float) -> Surface:
    neck = m.box((d, d, d * 0.6), ZINC, (0, 0, -d * 0.3))
    return join([button_head(m, d, head, k, length).turned((1, 2, 0)), neck]).turned(LAY)


def set_screw(m: Sampler, d: float, length: float) -> Surface:
    return join([thread(m, d, 0, length, BLACK), m.ring(0, d * 0.25, length + 0.1, GREY)]).turned(LAY)


def threaded_rod(m: Sampler, d: float, length: float) -> Surface:
    return thread(m, d, -length / 2, length / 2, ZINC).turned(LAY)


def eye_bolt(m: Sampler, d: float, inner: float, outer: float, length: float) -> Surface:
    ring = m.torus((inner + outer) / 4, (outer - inner) / 2, STEEL).turned((0, 2, 1)).moved(z=outer / 2)
    return join([ring, m.pipe(0, inner * 0.5, -d * 0.3, 0, STEEL), thread(m, d, -length - d * 0.3, -d * 0.3, STEEL)])


def rivet(m: Sampler, d: float, length: float) -> Surface:
    return join(
        [m.ball(d * 0.85, BRASS, above=0.0), m.ring(0, d * 0.85, 0, BRASS), m.pipe(0, d / 2, -length, 0, BRASS)]
    ).turned(LAY)


def hex_nut(m: Sampler, d: float, s: float, h: float) -> Surface:
    return m.prism(polygon(6, s), 0, h, ZINC, hole=d / 2)


def lock_nut(m: Sampler, d: float, s: float, h: float) -> Surface:
    return join([m.prism(polygon(6, s), 0, h, STEEL, hole=d / 2), m.pipe(d / 2, s * 0.42, h, h * 1.35, BLUE)])


def cap_nut(m: Sampler, d: float, s: float, h: float) -> Surface:
    return join([m.prism(polygon(6, s), 0, h, BRASS), m.ball(s * 0.46, BRASS, above=0.0).moved(z=h)])


def wing_nut(m: Sampler, d: float, s: float, h: float) -> Surface:
    wings = [m.pipe(0, s * 0.5, -s * 0.12, s * 0.12, ZINC).turned((0, 2, 1)).moved(x * s * 0.95, 0, h) for x in (-1, 1)]
    return join([m.cone(s * 0.62, s * 0.42, 0, h, ZINC), m.ring(0, s * 0.42, h, BLACK), *wings])


def flange_nut(m: Sampler, d: float, s: float, h: float) -> Surface:
    skirt = [m.cone(s * 0.92, s * 0.55, 0, h * 0.35, ZINC), m.ring(d / 2, s * 0.92, 0, ZINC, up=False)]
    return join([m.prism(polygon(6, s), h * 0.2, h * 1.15, ZINC, hole=d / 2), *skirt])


def square_nut(m: Sampler, d: float, s: float, h: float) -> Surface:
    return m.prism(polygon(4, s), 0, h, STEEL, hole=d / 2)


def long_nut(m: Sampler, d: float, s: float, h: float) -> Surface:
    return m.prism(polygon(6, s), 0, 3 * d, ZINC, hole=d / 2).turned(LAY)


def washer(m: Sampler, inner: float, outer: float, h: float, colour: Colour = ZINC) -> Surface:
    return m.pipe(inner / 2, outer / 2, 0, h, colour)


def spring_washer(m: Sampler, inner: float, outer: float) -> Surface:
    return m.coil((inner + outer) / 4, (outer - inner) / 2, (outer - inner) * 0.35, 0.94, BLACK)


def square_washer(m: Sampler, d: float, side: float) -> Surface:
    return m.prism(polygon(4, side), 0, side * 0.12, STEEL, hole=d * 0.55)


def tooth_washer(m: Sampler, inner: float, outer: float) -> Surface:
    teeth = [
        m.box((outer * 0.16, outer * 0.1, 0.8), ZINC).moved(
            outer * 0.46 * np.cos(a), outer * 0.46 * np.sin(a), outer * 0.03
        )
        for a in np.arange(8) * np.pi / 4
    ]
    return join([m.pipe(inner / 2, outer * 0.4, 0, 0.8, ZINC), *teeth])


def dowel(m: Sampler, d: float, length: float) -> Surface:
    ends = [
        m.cone(d / 2, d * 0.38, length / 2, length / 2 + d * 0.15, STEEL),
        m.ring(0, d * 0.38, length / 2 + d * 0.15, STEEL),
    ]
    return join([m.pipe(0, d / 2, -length / 2, length / 2, STEEL), *ends]).turned(LAY)


def clevis_pin(m: Sampler, d: float, length: float) -> Surface:
    hole = m.ring(0, d * 0.18, 0, BLACK).turned((0, 2, 1)).moved(0, -d * 0.51, -length * 0.85)
    return join([m.pipe(0, d * 0.75, 0, d * 0.35, ZINC), m.pipe(0, d / 2, -length, 0, ZINC), hole]).turned(LAY)


def split_pin(m: Sampler, d: float, length: float) -> Surface:
    legs = [m.pipe(0, d / 4, -length, 0, ZINC).moved(y=y * d * 0.27) for y in (-1, 1)]
    return join([*legs, m.torus(d * 0.75, d / 2, ZINC).turned((2, 0, 1)).moved(z=d * 0.9)]).turned(LAY)


def key(m: Sampler, b: float, length: float) -> Surface:
    ends = [m.pipe(0, b / 2, -b * 0.43, b * 0.43, GREY).moved(x * (length - b) / 2) for x in (-1, 1)]
    return join([m.box((length - b, b, b * 0.86), GREY), *ends])


def woodruff(m: Sampler, b: float, d: float) -> Surface:
    angle = np.linspace(0, np.pi, 24)
    half = np.stack([d / 2 * np.cos(angle), d / 2 * np.sin(angle) - d * 0.2], 1)
    return m.prism(half, -b / 2, b / 2, STEEL)


def circlip(m: Sampler, d: float, inner: float) -> Surface:
    wide = max((d - inner) * 1.8, 0.9)
    ears = [
        m.pipe(d * 0.02, d * 0.09, -0.5, 0.5, BLACK).moved(d * 0.47 * np.cos(a), d * 0.47 * np.sin(a))
        for a in (0.0, 5.35)
    ]
    return join([m.torus(d / 2, wide, BLACK, arc=2 * np.pi * 0.85), *ears])


def e_clip(m: Sampler, d: float) -> Surface:
    prongs = [
        m.box((d * 0.32, d * 0.2, 1), STEEL).moved(d * 0.72 * np.cos(a), d * 0.72 * np.sin(a)) for a in (0.25, 2.6, 5.0)
    ]
    return join([m.torus(d * 0.95, d * 0.24, STEEL, arc=2 * np.pi * 0.8), *prongs])


def o_ring(m: Sampler, d: float, thickness: float, colour: Colour) -> Surface:
    return m.torus(d / 2, thickness, colour)


def spring(m: Sampler, wire: float, outer: float, length: float, turns: float) -> Surface:
    return m.coil((outer - wire) / 2, wire, length, turns, STEEL).turned(LAY)


def tension_spring(m: Sampler, wire: float, outer: float, length: float) -> Surface:
    body = m.coil((outer - wire) / 2, wire, length * 0.6, length * 0.6 / wire * 0.8, ZINC)
    hooks = [
        m.torus((outer - wire) / 2, wire, ZINC, arc=1.7 * np.pi)
        .turned((2, 0, 1))
        .moved(z=z * (length * 0.3 + outer / 2))
        for z in (-1, 1)
    ]
    return join([body, *hooks]).turned(LAY)


def torsion_spring(m: Sampler, wire: float, outer: float, leg: float) -> Surface:
    body = m.coil((outer - wire) / 2, wire, wire * 5, 5, STEEL)
    legs = [
        m.pipe(0, wire / 2, 0, leg, STEEL).turned((2, 0, 1)).moved(0, s * (outer - wire) / 2, s * wire * 2.5)
        for s in (-1, 1)
    ]
    return join([body, *legs])


def disc_spring(m: Sampler, outer: float, inner: float, height: float) -> Surface:
    return join(
        [
            m.cone(outer / 2, inner / 2, 0, height, STEEL),
            m.cone(outer / 2, inner / 2, -0.4, height - 0.4, GREY, inward=True),
        ]
    )


def _screws() -> Iterator[Sized]:
    for d, (s, k) in HEX_BOLT.items():
        for n in (2 * d, 3 * d, 5 * d, 8 * d):
            yield f"hex-bolt-m{d}x{n}", partial(hex_bolt, d=d, s=s, k=k, length=n)
    for d, head in CAP_SCREW.items():
        for n in (d, 2 * d, 4 * d, 7 * d):
            yield f"cap-screw-m{d}x{n}", partial(cap_screw, d=d, head=head, length=n)
    for d, head in COUNTERSUNK.items():
        for n in (2 * d, 4 * d, 7 * d):
            yield f"countersunk-m{d}x{n}", partial(countersunk, d=d, head=head, length=n)
    for d, (head, k) in BUTTON.items():
        for n in (2 * d, 4 * d):
            yield f"button-head-m{d}x{n}", partial(button_head, d=d, head=head, k=k, length=n)
    for d, (head, k) in CARRIAGE.items():
        for n in (3 * d, 6 * d):
            yield f"carriage-bolt-m{d}x{n}", partial(carriage_bolt, d=d, head=head, k=k, length=n)


def _plain_threads() -> Iterator[Sized]:
    for d, n in ((4, 6), (6, 12), (8, 20), (12, 30), (16, 50), (20, 80), (24, 40)):
        yield f"set-screw-m{d}x{n}", partial(set_screw, d=d, length=n)
    for d, n in ((4, 70), (6, 100), (8, 150), (12, 250), (16, 300), (24, 340)):
        yield f"threaded-rod-m{d}x{n}", partial(threaded_rod, d=d, length=n)
    for d, (inner, outer, shank) in EYE_BOLT.items():
        yield f"eye-bolt-m{d}", partial(eye_bolt, d=d, inner=inner, outer=outer, length=shank)
    for d, n in ((3, 8), (5, 16), (6, 24), (8, 30), (10, 20)):
        yield f"rivet-{d}x{n}", partial(rivet, d=d, length=n)


def _nuts() -> Iterator[Sized]:
    kinds = {
        "hex-nut": (hex_nut, tuple(HEX_NUT)),
        "lock-nut": (lock_nut, (5, 8, 12, 20, 30, 42)),
        "cap-nut": (cap_nut, (4, 6, 10, 16, 24, 36)),
        "wing-nut": (wing_nut, (4, 6, 8, 12, 16, 24)),
        "flange-nut": (flange_nut, (5, 8, 12, 16, 24)),
        "square-nut": (square_nut, (4, 6, 10, 16, 24, 36)),
        "coupling-nut": (long_nut, (4, 6, 8, 12, 16, 24, 36)),
    }
    for kind, (build, sizes) in kinds.items():
        for d in sizes:
            yield f"{kind}-m{d}", partial(build, d=d, s=HEX_NUT[d][0], h=HEX_NUT[d][1])


def _washers() -> Iterator[Sized]:
    for d, (inner, outer, h) in WASHER.items():
        yield f"washer-m{d}", partial(washer, inner=inner, outer=outer, h=h)
        if d in (4, 6, 8, 12, 20, 30):
            yield f"fender-washer-m{d}", partial(washer, inner=inner, outer=3 * d + 2, h=h * 1.3, colour=STEEL)
        if d in (5, 8, 10, 16, 24, 36):
            yield f"spring-washer-m{d}", partial(spring_washer, inner=inner, outer=inner * 1.65)
        if d in (6, 10, 16, 24):
            yield f"square-washer-m{d}", partial(square_washer, d=inner, side=outer * 1.2)
        if d in (6, 10, 20):
            yield f"tooth-washer-m{d}", partial(tooth_washer, inner=inner, outer=outer)


def _pins() -> Iterator[Sized]:
    for d, n in (
        (2, 12),
        (3, 20),
        (4, 30),
        (6, 40),
        (8, 50),
        (10, 80),
        (16, 100),
        (20, 160),
        (5, 60),
        (12, 36),
        (25, 60),
    ):
        yield f"dowel-{d}x{n}", partial(dowel, d=d, length=n)
    for d, n in ((4, 16), (6, 24), (8, 35), (12, 50), (20, 80)):
        yield f"clevis-pin-{d}x{n}", partial(clevis_pin, d=d, length=n)
    for wire, n in ((2, 20), (3.2, 32), (5, 63), (8, 100)):
        yield f"split-pin-{wire}x{n}", partial(split_pin, d=wire, length=n)
    for b, n in ((4, 14), (6, 25), (8, 36), (12, 56), (18, 90), (28, 140)):
        yield f"key-{b}x{n}", partial(key, b=b, length=n)
    for b, d in ((3, 13), (5, 19), (8, 28), (10, 45)):
        yield f"woodruff-key-{b}x{d}", partial(woodruff, b=b, d=d)


def _rings() -> Iterator[Sized]:
    for d, inner in CIRCLIP.items():
        yield f"circlip-{d}", partial(circlip, d=d, inner=inner)
    for d in (4, 7, 12, 19):
        yield f"e-clip-{d}", partial(e_clip, d=d)
    for d in (10, 16, 24, 32, 50, 75, 110, 160, 240, 320):
        yield f"o-ring-{d}", partial(o_ring, d=d, thickness=max(1.8, d * 0.06), colour=BLACK)
    for d in (12, 20, 40, 90, 200):
        yield f"shaft-seal-{d}", partial(o_ring, d=d, thickness=d * 0.2, colour=RED)


def _springs() -> Iterator[Sized]:
    for wire, outer, n, turns in SPRINGS:
        yield f"spring-{wire}x{outer}x{n}", partial(spring, wire=wire, outer=outer, length=n, turns=turns)
    for wire, outer, n in ((0.8, 6, 30), (1.2, 10, 50), (2, 16, 90), (3, 25, 140), (5, 40, 300)):
        yield f"tension-spring-{wire}x{outer}x{n}", partial(tension_spring, wire=wire, outer=outer, length=n)
    for wire, outer, leg in ((1, 8, 14), (2, 18, 30), (3, 30, 60), (6, 60, 120)):
        yield f"torsion-spring-{wire}x{outer}", partial(torsion_spring, wire=wire, outer=outer, leg=leg)
    for rim, inner, h in (
        (12, 6.2, 0.9),
        (20, 10.2, 1.6),
        (31.5, 16.3, 2.5),
        (60, 31, 5),
        (100, 51, 9),
        (200, 102, 16),
    ):
        yield f"disc-spring-{rim}", partial(disc_spring, outer=rim, inner=inner, height=h)


FAMILIES = {
    "screws": _screws, "threads": _plain_threads, "nuts": _nuts, "washers": _washers, "pins": _pins, "rings": _rings,
    "springs": _springs,
}  # fmt: skip
