"""Bearings, gears, flanges, pipework, brackets and handles: tables of standard dimensions (mm) and how each is built.

Tables: ISO 15 (bearing boundary dimensions), ISO 54 (gear modules), ISO 606 (chain sprockets), EN 1092-1 PN 16 (flanges),
EN 1254 and EN 10253 (fittings), DIN 705 (set collars), DIN 950 (handwheels), DIN 6336 (star knobs).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from countermark.cases.factory._solids import (
    BLACK,
    BLUE,
    BRASS,
    COPPER,
    GREY,
    IVORY,
    LAY,
    ORANGE,
    RED,
    STEEL,
    ZINC,
    Sampler,
    Sized,
    Surface,
    around,
    join,
    polygon,
    toothed,
)

# bore, outer diameter, width
BEARING = {"623": (3, 10, 4), "624": (4, 13, 5), "608": (8, 22, 7), "6000": (10, 26, 8), "6201": (12, 32, 10),
           "6003": (17, 35, 10), "6204": (20, 47, 14), "6205": (25, 52, 15), "6306": (30, 72, 19),
           "6208": (40, 80, 18), "6210": (50, 90, 20), "6313": (65, 140, 33), "6018": (90, 140, 24),
           "6024": (120, 180, 28), "6320": (100, 215, 47)}  # fmt: skip
LINEAR = {
    "lm6": (6, 12, 19),
    "lm8": (8, 15, 24),
    "lm12": (12, 21, 30),
    "lm20": (20, 32, 42),
    "lm30": (30, 45, 64),
    "lm50": (50, 80, 100),
}
# nominal bore: (outer diameter, bolt circle, bolt hole, bolts)
FLANGE = {15: (95, 65, 14, 4), 25: (115, 85, 14, 4), 40: (150, 110, 18, 4), 65: (185, 145, 18, 8), 100: (220, 180, 18, 8),
          150: (285, 240, 22, 8), 200: (340, 295, 22, 12)}  # fmt: skip
GEARS = ((1, 12), (1, 20), (1, 32), (1.5, 18), (1.5, 40), (2, 16), (2, 30), (2.5, 48), (3, 24), (4, 36), (4, 60), (1, 50), (2, 60),
         (5, 20), (3, 80), (6, 48))  # fmt: skip


def bearing(m: Sampler, bore: float, outer: float, width: float) -> Surface:
    wall = (outer - bore) * 0.13
    shield = m.ring(bore / 2 + wall, outer / 2 - wall, width * 0.92, BLUE if outer > 40 else BLACK)
    return join(
        [m.pipe(bore / 2, bore / 2 + wall, 0, width, ZINC), m.pipe(outer / 2 - wall, outer / 2, 0, width, ZINC), shield]
    )


def thrust_bearing(m: Sampler, bore: float, outer: float, height: float) -> Surface:
    radius, ball = (bore + outer) / 4, height * 0.26
    balls = around(m.ball(ball, STEEL).moved(radius, 0, height / 2), max(6, int(np.pi * radius / ball * 0.85)))
    return join(
        [
            m.pipe(bore / 2, outer / 2, 0, height * 0.3, ZINC),
            m.pipe(bore / 2, outer / 2, height * 0.7, height, ZINC),
            *balls,
        ]
    )


def linear_bearing(m: Sampler, bore: float, outer: float, length: float) -> Surface:
    seals = [m.pipe(bore / 2, outer * 0.46, s * length / 2 - 0.5, s * length / 2 + 0.5, BLACK) for s in (-1, 1)]
    grooves = [m.torus(outer / 2, 0.9, BLACK).moved(z=s * length * 0.36) for s in (-1, 1)]
    return join([m.pipe(bore / 2, outer / 2, -length / 2, length / 2, ZINC), *seals, *grooves]).turned(LAY)


def pillow_block(m: Sampler, bore: float) -> Surface:
    return join(
        [
            m.pipe(bore / 2, bore * 1.1, -bore * 0.5, bore * 0.5, GREY).turned((0, 2, 1)).moved(z=bore * 1.1),
            m.box((bore * 4.4, bore, bore * 0.5), GREY, (0, 0, bore * 0.2)),
            *(m.ring(0, bore * 0.25, bore * 0.47, BLACK).moved(x * bore * 1.7) for x in (-1, 1)),
        ]
    )


def spur_gear(m: Sampler, module: float, teeth: int) -> Surface:
    pitch = module * teeth / 2
    rim = m.prism(toothed(teeth, pitch - 1.25 * module, pitch + module), 0, 7 * module, STEEL, hole=pitch * 0.22)
    web = m.ring(pitch * 0.5, pitch * 0.8, 7 * module + 0.05, GREY)
    return join([rim, web, m.pipe(pitch * 0.22, pitch * 0.45, 7 * module, 10 * module, STEEL)])


def bevel_gear(m: Sampler, module: float, teeth: int) -> Surface:
    flat = m.prism(toothed(teeth, module * teeth * 0.46, module * teeth * 0.54), 0, module * teeth * 0.22, BRASS)
    shrink = 1 - 1.6 * flat.points[:, 2:] / (module * teeth)
    body = Surface(flat.points * np.concatenate([shrink, shrink, np.ones_like(shrink)], 1), flat.normals, flat.colours)
    return join([body, m.pipe(module * teeth * 0.1, module * teeth * 0.25, -module * 4, 0, BRASS)])


def rack(m: Sampler, module: float, length: float) -> Surface:
    pitch = np.pi * module
    teeth = [
        m.box((pitch * 0.5, 8 * module, 2 * module), STEEL, (x, 0, 4 * module))
        for x in np.arange(-length / 2 + pitch / 2, length / 2, pitch)
    ]
    return join([m.box((length, 8 * module, 6 * module), STEEL), *teeth])


def worm(m: Sampler, d: float, length: float) -> Surface:
    return join(
        [m.pipe(0, d * 0.36, -length / 2, length / 2, STEEL), m.coil(d * 0.36, d * 0.2, length * 0.5, 5, BRASS)]
    ).turned(LAY)


def timing_pulley(m: Sampler, teeth: int) -> Surface:
    radius = 5 * teeth / (2 * np.pi)
    flanges = [m.pipe(radius * 0.3, radius * 1.14, z, z + 1.5, STEEL) for z in (-1.5, 12)]
    return join([m.prism(toothed(teeth, radius - 1.4, radius), 0, 12, IVORY, hole=radius * 0.3), *flanges])


def v_pulley(m: Sampler, d: float) -> Surface:
    groove = [m.cone(d / 2, d * 0.38, 0, d * 0.09, GREY), m.cone(d * 0.38, d / 2, d * 0.09, d * 0.18, GREY)]
    rims = [m.pipe(d * 0.4, d / 2, -d * 0.03, 0, GREY), m.pipe(d * 0.4, d / 2, d * 0.18, d * 0.21, GREY)]
    return join(
        [
            *groove,
            *rims,
            m.pipe(d * 0.08, d * 0.4, d * 0.06, d * 0.12, GREY),
            m.pipe(d * 0.08, d * 0.16, 0, d * 0.28, STEEL),
        ]
    )


def sprocket(m: Sampler, pitch: float, teeth: int) -> Surface:
    radius = pitch / (2 * np.sin(np.pi / teeth))
    return join(
        [
            m.prism(
                toothed(teeth, radius * 0.94 - pitch * 0.2, radius + pitch * 0.3, share=0.42),
                0,
                pitch * 0.45,
                BLACK,
                hole=radius * 0.25,
            ),
            m.pipe(radius * 0.25, radius * 0.5, pitch * 0.45, pitch * 1.2, BLACK),
        ]
    )


def collar(m: Sampler, bore: float, outer: float, width: float) -> Surface:
    return join(
        [
            m.pipe(bore / 2, outer / 2, 0, width, BLACK),
            m.ring(0, width * 0.2, 0, ZINC).turned((0, 2, 1)).moved(0, -outer * 0.5 - 0.1, width / 2),
        ]
    )


def jaw_coupling(m: Sampler, d: float) -> Surface:
    return join(
        [
            m.pipe(d * 0.2, d / 2, -d * 0.75, -d * 0.12, ZINC),
            m.pipe(d * 0.2, d / 2, d * 0.12, d * 0.75, ZINC),
            m.prism(toothed(6, d * 0.36, d * 0.5), -d * 0.12, d * 0.12, RED),
        ]
    ).turned(LAY)


def flange(m: Sampler, dn: float, outer: float, circle: float, hole: float, bolts: int, blind: bool = False) -> Surface:
    thick = outer * 0.09
    bores = [m.ring(0, hole / 2, thick + 0.3, BLACK).moved(circle / 2)]
    neck = (
        []
        if blind
        else [
            m.cone(dn / 2 + outer * 0.1, dn / 2 + outer * 0.03, thick, outer * 0.28, GREY),
            m.pipe(dn / 2, dn / 2 + outer * 0.03, outer * 0.28, outer * 0.3, GREY),
        ]
    )
    plate = m.pipe(0 if blind else dn / 2, outer / 2, 0, thick, STEEL if blind else GREY)
    return join([plate, *neck, *(p for b in bores for p in around(b, bolts))])


def elbow(m: Sampler, d: float) -> Surface:
    bend = m.torus(d * 1.3, d, COPPER, arc=np.pi / 2)
    ends = m.pipe(d * 0.4, d * 0.58, 0, d * 0.5, COPPER)
    return join(
        [bend, ends.turned((0, 2, 1)).moved(d * 1.3, -d * 0.5, 0), ends.turned((2, 0, 1)).moved(-d * 0.5, d * 1.3, 0)]
    )


def tee(m: Sampler, d: float) -> Surface:
    run, branch = m.pipe(d * 0.4, d / 2, -d * 1.6, d * 1.6, COPPER), m.pipe(d * 0.4, d / 2, 0, d * 1.6, COPPER)
    return join([run.turned(LAY), branch.turned((0, 2, 1))])


def reducer(m: Sampler, d: float) -> Surface:
    return join(
        [
            m.pipe(d * 0.42, d / 2, -d, -d * 0.3, COPPER),
            m.cone(d / 2, d * 0.3, -d * 0.3, d * 0.3, COPPER),
            m.pipe(d * 0.22, d * 0.3, d * 0.3, d, COPPER),
        ]
    ).turned(LAY)


def ball_valve(m: Sampler, d: float) -> Surface:
    ends = [
        m.prism(polygon(6, d * 1.5), s * d * 1.2 - d * 0.3, s * d * 1.2 + d * 0.3, BRASS, hole=d * 0.4) for s in (-1, 1)
    ]
    return join(
        [
            m.ball(d * 0.85, BRASS),
            *(e.turned(LAY) for e in ends),
            m.pipe(0, d * 0.2, d * 0.7, d * 1.15, BRASS),
            m.box((d * 2.6, d * 0.4, d * 0.14), RED, (d, 0, d * 1.15)),
        ]
    )


def gate_valve(m: Sampler, d: float) -> Surface:
    wheel = m.torus(d * 0.75, d * 0.18, BLUE).moved(z=d * 2.3)
    return join(
        [
            m.pipe(d * 0.45, d * 0.62, -d * 1.3, d * 1.3, BRASS).turned(LAY),
            m.cone(d * 0.7, d * 0.4, 0, d * 1.4, BRASS),
            m.pipe(0, d * 0.12, d * 1.4, d * 2.4, STEEL),
            wheel,
            m.box((d * 1.4, d * 0.14, d * 0.1), BLUE, (0, 0, d * 2.3)),
        ]
    )


def bracket(m: Sampler, a: float, b: float, w: float, t: float) -> Surface:
    holes = [m.ring(0, w * 0.16, t / 2 + 0.1, BLACK).moved(b * x) for x in (0.45, 0.8)]
    return join([m.box((b, w, t), ZINC, (b / 2, 0, 0)), m.box((t, w, a), ZINC, (0, 0, a / 2)), *holes])


def gusset(m: Sampler, a: float, t: float) -> Surface:
    triangle = np.array([[-a / 3, -a / 3], [2 * a / 3, -a / 3], [-a / 3, 2 * a / 3]])
    return m.prism(triangle, 0, t, ORANGE, hole=a * 0.1)


def channel(m: Sampler, h: float, w: float, t: float, length: float) -> Surface:
    sides = [m.box((length, t, w), STEEL, (0, s * h / 2, w / 2)) for s in (-1, 1)]
    return join([m.box((length, h, t), STEEL), *sides])


def hinge(m: Sampler, length: float, width: float) -> Surface:
    leaves = [m.box((length, width / 2, width * 0.05), BRASS, (0, s * width * 0.28, 0)) for s in (-1, 1)]
    holes = [
        m.ring(0, width * 0.06, width * 0.03, BLACK).moved(x * length * 0.33, y * width * 0.32)
        for x in (-1, 0, 1)
        for y in (-1, 1)
    ]
    return join([*leaves, *holes, m.pipe(0, width * 0.08, -length / 2, length / 2, BRASS).turned(LAY)])


def profile(m: Sampler, side: float, length: float) -> Surface:
    deep = side * 0.05
    slots = [
        m.box((length, side * 0.26, deep), BLACK, (0, 0, side / 2)),
        m.box((length, deep, side * 0.26), BLACK, (0, -side / 2, 0)),
    ]
    end = [m.box((deep, side * 0.3, side * 0.3), BLACK, (s * length / 2, 0, 0)) for s in (-1, 1)]
    return join([m.box((length, side, side), ZINC), *slots, *end])


def shaft(m: Sampler, d: float, length: float) -> Surface:
    return join(
        [
            m.pipe(0, d / 2, -length / 2, length / 2, ZINC),
            m.pipe(0, d * 0.36, length / 2, length / 2 + d, STEEL),
            m.box((d * 0.3, d * 0.2, length * 0.2), BLACK, (d * 0.42, 0, length * 0.3)),
        ]
    ).turned(LAY)


def star_knob(m: Sampler, d: float) -> Surface:
    return join(
        [m.prism(toothed(6, d * 0.36, d / 2, share=0.6), 0, d * 0.35, BLACK), m.pipe(0, d * 0.18, -d * 0.3, 0, BRASS)]
    )


def handwheel(m: Sampler, d: float) -> Surface:
    spokes = [m.box((d * 0.88, d * 0.07, d * 0.04), GREY), m.box((d * 0.07, d * 0.88, d * 0.04), GREY)]
    grip = m.pipe(0, d * 0.05, 0, d * 0.25, RED).moved(d * 0.46)
    return join(
        [m.torus(d * 0.46, d * 0.08, BLACK), m.pipe(d * 0.05, d * 0.13, -d * 0.06, d * 0.06, STEEL), *spokes, grip]
    )


def clamp_lever(m: Sampler, d: float, arm: float) -> Surface:
    lever = join([m.cone(d * 0.4, d * 0.3, 0, arm, ORANGE), m.ball(d * 0.36, ORANGE).moved(z=arm)]).turned(LAY)
    return join([lever.moved(z=d), m.pipe(0, d * 0.55, 0, d * 1.4, ORANGE), m.pipe(0, d * 0.25, -d * 1.5, 0, STEEL)])


def levelling_foot(m: Sampler, d: float, length: float) -> Surface:
    return join(
        [
            m.cone(d / 2, d * 0.2, 0, d * 0.3, BLACK),
            m.ring(0, d / 2, 0, BLACK, up=False),
            m.pipe(0, d * 0.13, d * 0.3, length, ZINC),
            m.prism(polygon(6, d * 0.42), d * 0.32, d * 0.5, ZINC),
        ]
    )


def pull_handle(m: Sampler, span: float, d: float) -> Surface:
    legs = [m.pipe(0, d / 2, 0, span * 0.3, BLACK).moved(s * span / 2) for s in (-1, 1)]
    return join([m.pipe(0, d / 2, -span / 2 - d / 2, span / 2 + d / 2, BLACK).turned(LAY).moved(z=span * 0.3), *legs])


def caster(m: Sampler, d: float) -> Surface:
    fork = [m.box((d * 0.3, d * 0.06, d * 0.75), ZINC, (0, s * d * 0.22, d * 0.3)) for s in (-1, 1)]
    return join(
        [
            m.pipe(d * 0.08, d / 2, -d * 0.15, d * 0.15, BLACK).turned((0, 2, 1)),
            *fork,
            m.box((d, d * 0.8, d * 0.06), ZINC, (0, 0, d * 0.68)),
        ]
    )


def _bearings() -> Iterator[Sized]:
    for name, (bore, outer, width) in BEARING.items():
        yield f"bearing-{name}", partial(bearing, bore=bore, outer=outer, width=width)
    for bore, outer, height in ((10, 24, 9), (20, 40, 14), (35, 62, 18), (60, 95, 26), (110, 190, 63)):
        yield f"thrust-bearing-{bore}x{outer}", partial(thrust_bearing, bore=bore, outer=outer, height=height)
    for name, (bore, outer, n) in LINEAR.items():
        yield f"linear-bearing-{name}", partial(linear_bearing, bore=bore, outer=outer, length=n)
    for bore in (8, 15, 25, 40, 70):
        yield f"pillow-block-{bore}", partial(pillow_block, bore=bore)


def _drives() -> Iterator[Sized]:
    for module, teeth in GEARS:
        yield f"spur-gear-m{module}-z{teeth}", partial(spur_gear, module=module, teeth=teeth)
    for module, teeth in ((1, 20), (1.5, 30), (2, 20), (3, 30), (4, 40), (6, 50)):
        yield f"bevel-gear-m{module}-z{teeth}", partial(bevel_gear, module=module, teeth=teeth)
    for module, n in ((0.5, 32), (1, 60), (1.5, 100), (3, 180), (5, 340)):
        yield f"rack-m{module}x{n}", partial(rack, module=module, length=n)
    for d, n in ((8, 30), (16, 70), (30, 100), (50, 260)):
        yield f"worm-{d}x{n}", partial(worm, d=d, length=n)
    for teeth in (16, 20, 30, 40, 60, 100):
        yield f"pulley-t5-z{teeth}", partial(timing_pulley, teeth=teeth)
    for d in (30, 56, 80, 125, 200, 315):
        yield f"v-pulley-{d}", partial(v_pulley, d=d)
    for pitch, teeth in ((6, 12), (8, 17), (9.525, 25), (12.7, 19), (12.7, 38), (19.05, 45)):
        yield f"sprocket-{pitch}-z{teeth}", partial(sprocket, pitch=pitch, teeth=teeth)
    for bore, outer, w in ((6, 12, 8), (10, 20, 10), (20, 32, 14), (40, 63, 18), (80, 110, 22)):
        yield f"collar-{bore}", partial(collar, bore=bore, outer=outer, width=w)
    for d in (14, 20, 40, 65, 105):
        yield f"jaw-coupling-{d}", partial(jaw_coupling, d=d)


def _pipework() -> Iterator[Sized]:
    for dn, (outer, circle, hole, bolts) in FLANGE.items():
        yield f"flange-dn{dn}", partial(flange, dn=dn, outer=outer, circle=circle, hole=hole, bolts=bolts)
        if dn in (15, 40, 100, 200):
            yield (
                f"blind-flange-dn{dn}",
                partial(flange, dn=dn, outer=outer, circle=circle, hole=hole, bolts=bolts, blind=True),
            )
    for d in (8, 12, 18, 28, 42, 60):
        yield f"elbow-{d}", partial(elbow, d=d)
        yield f"tee-{d}", partial(tee, d=d)
        yield f"reducer-{d}", partial(reducer, d=d)
    for d in (8, 15, 20, 32, 50, 80):
        yield f"ball-valve-{d}", partial(ball_valve, d=d)
        yield f"gate-valve-{d}", partial(gate_valve, d=d)


def _frames() -> Iterator[Sized]:
    for a, b, w, t in (
        (15, 15, 10, 2),
        (20, 40, 15, 2),
        (30, 30, 20, 3),
        (40, 60, 25, 4),
        (60, 60, 40, 5),
        (80, 120, 50, 6),
        (120, 120, 60, 8),
        (150, 250, 80, 8),
    ):
        yield f"bracket-{a}x{b}", partial(bracket, a=a, b=b, w=w, t=t)
    for a, t in ((20, 2), (40, 4), (90, 6), (200, 12)):
        yield f"gusset-{a}", partial(gusset, a=a, t=t)
    for h, w, n in ((10, 8, 30), (20, 15, 90), (40, 25, 110), (60, 40, 250), (100, 60, 330)):
        yield f"channel-{h}x{w}x{n}", partial(channel, h=h, w=w, t=h * 0.08, length=n)
    for n, w in ((25, 20), (60, 40), (100, 70), (200, 90), (300, 160)):
        yield f"hinge-{n}x{w}", partial(hinge, length=n, width=w)
    for side, n in ((20, 60), (20, 100), (30, 100), (40, 200), (45, 320), (80, 300)):
        yield f"profile-{side}x{n}", partial(profile, side=side, length=n)


def _handling() -> Iterator[Sized]:
    for d, n in ((6, 60), (8, 100), (12, 150), (20, 200), (30, 300), (40, 320)):
        yield f"shaft-{d}x{n}", partial(shaft, d=d, length=n)
    for d in (16, 25, 40, 63, 80, 120):
        yield f"star-knob-{d}", partial(star_knob, d=d)
    for d in (50, 80, 125, 200, 320):
        yield f"handwheel-{d}", partial(handwheel, d=d)
    for d, arm in ((10, 22), (16, 45), (20, 80), (40, 150)):
        yield f"clamp-lever-{d}x{arm}", partial(clamp_lever, d=d, arm=arm)
    for d, n in ((16, 30), (30, 60), (50, 90), (80, 150), (120, 250)):
        yield f"levelling-foot-{d}x{n}", partial(levelling_foot, d=d, length=n)
    for span, d in ((24, 5), (64, 8), (96, 10), (180, 14), (300, 24)):
        yield f"pull-handle-{span}", partial(pull_handle, span=span, d=d)
    for d in (20, 50, 75, 125, 200):
        yield f"caster-{d}", partial(caster, d=d)


FAMILIES = {"bearings": _bearings, "drives": _drives, "pipework": _pipework, "frames": _frames, "handling": _handling}
