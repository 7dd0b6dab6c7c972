"""Connectors, passive parts, semiconductors, drives and switchgear: usual dimensions (mm), how each is built.

Tables: 2.54 mm pin headers, 5.08 mm terminal blocks, IEC 60807 D-sub shells, JEDEC MS-001 dual in-line and TO-220
outlines, IEC 60127 fuses, NEMA ICS 16 motor frames, IEC 60715 rail devices (17.5 mm modules),
DIN 46234 ring lugs, EN 62444 cable glands.
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
    GREEN,
    GREY,
    IVORY,
    LAY,
    ORANGE,
    RED,
    STEEL,
    WHITE,
    ZINC,
    Colour,
    Sampler,
    Sized,
    Surface,
    around,
    join,
    polygon,
)

NEMA = {11: 28, 14: 35, 17: 42, 23: 57, 34: 86, 42: 110}


def pin_header(m: Sampler, rows: int, pins: int) -> Surface:
    sites = [((i - (pins - 1) / 2) * 2.54, (j - (rows - 1) / 2) * 2.54) for i in range(pins) for j in range(rows)]
    return join(
        [
            m.box((2.54 * pins, 2.54 * rows, 2.54), BLACK),
            *(m.box((0.64, 0.64, 9), BRASS, (x, y, 1.8)) for x, y in sites),
        ]
    )


def socket_header(m: Sampler, rows: int, pins: int) -> Surface:
    sites = [((i - (pins - 1) / 2) * 2.54, (j - (rows - 1) / 2) * 2.54) for i in range(pins) for j in range(rows)]
    return join(
        [m.box((2.54 * pins, 2.54 * rows, 8.5), BLACK), *(m.box((1, 1, 0.1), BRASS, (x, y, 4.3)) for x, y in sites)]
    )


def terminal_block(m: Sampler, poles: int, colour: Colour) -> Surface:
    sites = (np.arange(poles) - (poles - 1) / 2) * 5.08
    return join(
        [
            m.box((5.08 * poles, 8, 10), colour),
            *(m.ring(0, 1.6, 5.1, ZINC).moved(x, -1) for x in sites),
            *(m.box((3, 0.4, 3), BLACK, (x, -4.05, -1.5)) for x in sites),
        ]
    )


def round_connector(m: Sampler, pins: int) -> Surface:
    inner = 6 + pins * 0.4
    return join(
        [
            m.pipe(inner, inner + 2, 0, 14, ZINC),
            m.ring(0, inner, 6, BLACK),
            m.torus(inner + 2, 1.4, BLACK).moved(z=4),
            *around(m.pipe(0, 0.7, 6, 12, BRASS).moved(inner * 0.6), pins),
        ]
    )


def d_sub(m: Sampler, pins: int) -> Surface:
    wide, sites = 2.77 * (pins + 1) / 2, (np.arange(pins // 2) - pins / 4 + 0.5) * 2.77
    return join(
        [
            m.box((wide + 14, 12.5, 1), ZINC),
            m.box((wide + 2, 8.3, 6), STEEL, (0, 0, 3)),
            m.box((wide, 6.5, 0.2), BLUE, (0, 0, 6.2)),
            *(m.ring(0, 0.6, 6.5, BRASS).moved(x, y) for x in sites for y in (-1.4, 1.4)),
            *(m.prism(polygon(6, 5), 0, 5, ZINC).moved(s * (wide / 2 + 4.6)) for s in (-1, 1)),
        ]
    )


def modular_jack(m: Sampler, ports: int) -> Surface:
    sites = (np.arange(ports) - (ports - 1) / 2) * 15
    return join(
        [
            m.box((15 * ports, 16, 13), ZINC),
            *(m.box((11, 0.2, 8), BLACK, (x, -8.1, 0)) for x in sites),
            *(m.box((2, 0.3, 2), GREEN, (x - 5, -8.2, 5)) for x in sites),
        ]
    )


def ring_lug(m: Sampler, d: float) -> Surface:
    return join(
        [
            m.pipe(d * 0.5, d, -d * 0.1, d * 0.1, COPPER),
            m.box((d, d * 0.9, d * 0.2), COPPER, (d * 1.3, 0, 0)),
            m.pipe(0, d * 0.5, d * 1.6, d * 3.4, RED).turned(LAY),
        ]
    )


def cable_gland(m: Sampler, d: float, length: float) -> Surface:
    return join(
        [
            m.prism(polygon(6, d * 1.3), 0, length * 0.3, GREY, hole=d * 0.3),
            m.pipe(0, d / 2, -length * 0.35, 0, GREY),
            m.cone(d * 0.6, d * 0.42, length * 0.3, length * 0.65, BLACK),
            m.ring(d * 0.25, d * 0.42, length * 0.65, BLACK),
        ]
    ).turned(LAY)


def capacitor(m: Sampler, d: float, h: float) -> Surface:
    stripe = m.box((d * 0.3, 0.4, h * 0.9), WHITE, (0, -d / 2, h / 2))
    leads = [m.pipe(0, max(0.4, d * 0.03), -h * 0.25, 0, ZINC).moved(s * d * 0.22) for s in (-1, 1)]
    return join([m.pipe(0, d / 2, 0, h, BLUE), m.ring(0, d * 0.44, h + 0.1, ZINC), stripe, *leads]).turned(LAY)


def film_capacitor(m: Sampler, w: float, t: float, h: float) -> Surface:
    leads = [m.pipe(0, 0.5, -h / 2 - 5, -h / 2, ZINC).moved(s * w * 0.4) for s in (-1, 1)]
    return join([m.box((w, t, h), RED), *leads])


def disc_capacitor(m: Sampler, d: float) -> Surface:
    leads = [m.pipe(0, 0.4, -d * 1.1, -d * 0.3, ZINC).moved(s * d * 0.25) for s in (-1, 1)]
    body = m.ball(d / 2, ORANGE)
    return join([Surface(body.points * np.array([1, 0.35, 1], np.float32), body.normals, body.colours), *leads]).turned(
        (0, 2, 1)
    )


def resistor(m: Sampler, d: float, n: float) -> Surface:
    bands = [
        m.pipe(0, d * 0.53, z * n - n * 0.04, z * n + n * 0.04, c)
        for z, c in ((-0.3, RED), (-0.1, BLACK), (0.1, ORANGE), (0.32, BRASS))
    ]
    return join([m.pipe(0, d / 2, -n / 2, n / 2, IVORY), m.pipe(0, d * 0.1, -n * 1.4, n * 1.4, ZINC), *bands]).turned(
        LAY
    )


def power_resistor(m: Sampler, w: float, n: float) -> Surface:
    tabs = [m.box((n * 0.25, w * 0.4, w * 0.08), BRASS, (s * n * 0.6, 0, -w * 0.3)) for s in (-1, 1)]
    ribs = [m.box((n * 0.06, w * 0.7, w * 0.2), ORANGE, (x * n, 0, w * 0.42)) for x in np.linspace(-0.4, 0.4, 6)]
    return join([m.box((n, w, w * 0.66), ORANGE), *tabs, *ribs])


def toroid(m: Sampler, d: float) -> Surface:
    turns = around(m.torus(d * 0.15, d * 0.035, COPPER).turned((0, 2, 1)).moved(d * 0.36), 22)
    return join([m.torus(d * 0.36, d * 0.24, GREEN), *turns])


def transformer(m: Sampler, w: float) -> Surface:
    return join(
        [
            m.box((w, w * 0.3, w * 0.85), GREY),
            m.box((w * 0.55, w * 0.75, w * 0.5), ORANGE),
            m.box((w * 0.45, w * 0.8, w * 0.1), WHITE),
        ]
    )


def led(m: Sampler, d: float, colour: Colour) -> Surface:
    leads = [m.pipe(0, d * 0.05, -d * 2.6, 0, ZINC).moved(s * d * 0.22) for s in (-1, 1)]
    return join(
        [
            m.pipe(0, d / 2, 0, d * 0.9, colour),
            m.ball(d / 2, colour, above=0).moved(z=d * 0.9),
            m.pipe(0, d * 0.58, 0, d * 0.12, colour),
            *leads,
        ]
    ).turned(LAY)


def to_package(m: Sampler, w: float, h: float, legs: int) -> Surface:
    sites = (np.arange(legs) - (legs - 1) / 2) * w * 0.25
    hole = m.ring(0, w * 0.18, w * 0.07, BLACK).moved(0, h * 0.8)
    return join(
        [
            m.box((w, h, w * 0.4), BLACK, (0, 0, w * 0.1)),
            m.box((w, h * 0.7, w * 0.12), ZINC, (0, h * 0.75, 0)),
            hole,
            *(m.box((w * 0.09, h * 1.3, w * 0.06), ZINC, (x, -h * 1.1, 0)) for x in sites),
        ]
    )


def dip(m: Sampler, pins: int, width: float) -> Surface:
    sites = [((i - (pins / 2 - 1) / 2) * 2.54, s * width / 2) for i in range(pins // 2) for s in (-1, 1)]
    notch = m.ring(0, 1.0, 2.1, GREY).moved(-pins * 0.635 + 1.2)
    return join(
        [
            m.box((1.27 * pins, width - 1.2, 4), BLACK),
            notch,
            *(m.box((0.9, 0.4, 5), ZINC, (x, y, -2)) for x, y in sites),
        ]
    )


def quad_flat(m: Sampler, side: float, pins: int) -> Surface:
    row = [
        m.box((side / pins * 0.55, 1.6, 0.3), ZINC).moved(x, side / 2 + 0.7, -0.6)
        for x in (np.arange(pins) + 0.5) * side / pins - side / 2
    ]
    return join(
        [
            m.box((side, side, 1.6), BLACK),
            m.ring(0, side * 0.05, 0.85, WHITE).moved(-side * 0.4, side * 0.4),
            *(p for r in row for p in around(r, 4)),
        ]
    )


def heat_sink(m: Sampler, w: float, d: float, h: float) -> Surface:
    return join(
        [
            m.box((w, d, h * 0.2), BLACK),
            *(m.box((w * 0.03, d, h), BLACK, (x * w, 0, h * 0.5)) for x in np.linspace(-0.47, 0.47, 9)),
        ]
    )


def relay(m: Sampler, w: float, h: float, t: float, pins: int) -> Surface:
    legs = [m.box((0.8, 0.8, 5), BRASS, ((i - (pins - 1) / 2) * w / pins, h * 0.3, -t / 2 - 2)) for i in range(pins)]
    return join(
        [m.box((w, h, t), ORANGE if w > 25 else BLUE), m.box((w * 0.7, h * 0.5, t * 0.08), WHITE, (0, 0, t / 2)), *legs]
    )


def fuse(m: Sampler, d: float, n: float) -> Surface:
    caps = [m.pipe(0, d * 0.54, s * n * 0.4 - n * 0.1, s * n * 0.4 + n * 0.1, ZINC) for s in (-1, 1)]
    return join([m.pipe(0, d / 2, -n / 2, n / 2, WHITE), *caps]).turned(LAY)


def stepper(m: Sampler, a: float) -> Surface:
    holes = [m.ring(0, a * 0.05, a * 0.505, BLACK).moved(x * a * 0.38, y * a * 0.38) for x in (-1, 1) for y in (-1, 1)]
    return join(
        [
            m.box((a, a, a * 0.25), ZINC, (0, 0, a * 0.375)),
            m.box((a, a, a * 0.55), BLACK, (0, 0, -a * 0.02)),
            m.box((a, a, a * 0.2), ZINC, (0, 0, -a * 0.4)),
            m.pipe(0, a * 0.06, a * 0.5, a * 1.0, STEEL),
            m.pipe(0, a * 0.26, a * 0.5, a * 0.55, ZINC),
            *holes,
        ]
    )


def fan(m: Sampler, a: float) -> Surface:
    blades = around(m.box((a * 0.28, a * 0.14, a * 0.02), GREY).moved(a * 0.3, 0, a * 0.15), 7)
    frame = m.prism(polygon(4, a), 0, a * 0.25, BLACK, hole=a * 0.46)
    screws = around(m.ring(0, a * 0.05, a * 0.26, ZINC).moved(a * 0.6).turned((0, 1, 2)), 4, start=np.pi / 4)
    return join([frame, *blades, *screws, m.pipe(0, a * 0.18, 0.02 * a, a * 0.22, GREY)])


def motor(m: Sampler, d: float, n: float) -> Surface:
    return join(
        [
            m.pipe(0, d / 2, 0, n, ZINC),
            m.pipe(0, d * 0.2, n, n * 1.06, BRASS),
            m.pipe(0, d * 0.05, n, n * 1.35, STEEL),
            m.pipe(0, d * 0.44, -n * 0.08, 0, BLACK),
        ]
    ).turned(LAY)


def potentiometer(m: Sampler, d: float) -> Surface:
    legs = [m.box((d * 0.09, d * 0.6, d * 0.04), BRASS, (x * d * 0.3, -d * 0.75, d * 0.1)) for x in (-1, 0, 1)]
    return join(
        [
            m.pipe(0, d / 2, 0, d * 0.45, ZINC),
            m.pipe(0, d * 0.22, d * 0.45, d * 0.8, BRASS),
            m.pipe(0, d * 0.18, d * 0.8, d * 1.4, ZINC),
            *legs,
        ]
    )


def toggle(m: Sampler, w: float) -> Surface:
    return join(
        [
            m.box((w, w * 0.6, w * 0.8), BLUE),
            m.pipe(0, w * 0.22, w * 0.4, w * 0.9, ZINC),
            m.cone(w * 0.09, w * 0.15, w * 0.9, w * 1.7, ZINC),
            *(m.box((w * 0.12, w * 0.05, w * 0.4), BRASS, (x * w * 0.35, 0, -w * 0.55)) for x in (-1, 0, 1)),
        ]
    )


def push_button(m: Sampler, d: float, colour: Colour) -> Surface:
    return join(
        [
            m.pipe(0, d / 2, 0, d * 0.25, BLACK),
            m.pipe(0, d * 0.36, d * 0.25, d * 0.45, colour),
            m.box((d * 0.75, d * 0.75, d * 0.8), GREY, (0, 0, -d * 0.4)),
        ]
    )


def rail_device(m: Sampler, modules: float, colour: Colour) -> Surface:
    w = 17.5 * modules
    lever = m.box((w * 0.5, 8, 16), colour, (0, -38, 0))
    return join(
        [
            m.box((w, 60, 85), IVORY),
            m.box((w, 18, 45), IVORY, (0, -36, 0)),
            lever,
            *(
                m.ring(0, 3.2, 0, BLACK).turned((0, 2, 1)).moved(x, -30.2, s * 32)
                for s in (-1, 1)
                for x in (np.arange(int(modules)) + 0.5) * 17.5 - w / 2
            ),
        ]
    )


def enclosure(m: Sampler, w: float, d: float, h: float) -> Surface:
    screws = [
        m.ring(0, min(w, d) * 0.05, h * 0.63, BLACK).moved(x * w * 0.42, y * d * 0.42) for x in (-1, 1) for y in (-1, 1)
    ]
    return join([m.box((w, d, h), GREY), m.box((w * 0.9, d * 0.9, h * 0.1), IVORY, (0, 0, h * 0.55)), *screws])


def sensor(m: Sampler, d: float, n: float) -> Surface:
    nuts = [m.prism(polygon(6, d * 1.5), z * n - d * 0.15, z * n + d * 0.15, ZINC) for z in (0.0, 0.22)]
    return join(
        [
            m.pipe(0, d / 2, -n / 2, n * 0.4, BRASS),
            m.pipe(0, d * 0.46, n * 0.4, n / 2, ORANGE),
            m.pipe(0, d * 0.25, -n * 0.7, -n / 2, BLACK),
            *nuts,
        ]
    ).turned(LAY)


def _connectors() -> Iterator[Sized]:
    for rows, pins in ((1, 3), (1, 6), (1, 10), (2, 3), (2, 5), (2, 8), (2, 13), (1, 20), (2, 20)):
        yield f"pin-header-{rows}x{pins}", partial(pin_header, rows=rows, pins=pins)
    for rows, pins in ((1, 4), (1, 8), (2, 4), (2, 10), (2, 20)):
        yield f"socket-header-{rows}x{pins}", partial(socket_header, rows=rows, pins=pins)
    for poles in (2, 3, 4, 6, 8, 12, 16, 24):
        yield f"terminal-{poles}", partial(terminal_block, poles=poles, colour=GREEN)
    for pins in (4, 7, 12, 24):
        yield f"round-connector-{pins}", partial(round_connector, pins=pins)
    for pins in (9, 15, 25, 37):
        yield f"d-sub-{pins}", partial(d_sub, pins=pins)
    for ports in (1, 2, 4):
        yield f"modular-jack-{ports}", partial(modular_jack, ports=ports)
    for d in (3, 5, 8, 12, 20):
        yield f"ring-lug-m{d}", partial(ring_lug, d=d)
    for d, n in ((12, 25), (16, 30), (20, 36), (32, 45), (50, 60), (63, 90)):
        yield f"cable-gland-{d}", partial(cable_gland, d=d, length=n)


def _passives() -> Iterator[Sized]:
    for d, h in ((5, 11), (8, 12), (10, 20), (16, 25), (22, 40), (35, 60), (63, 100), (76, 220)):
        yield f"capacitor-{d}x{h}", partial(capacitor, d=d, h=h)
    for w, t, tall in ((7, 2.5, 6.5), (13, 5, 11), (18, 8, 15), (26, 10, 19), (41, 20, 35)):
        yield f"film-capacitor-{w}x{tall}", partial(film_capacitor, w=w, t=t, h=tall)
    for d in (5, 8, 14, 20):
        yield f"disc-capacitor-{d}", partial(disc_capacitor, d=d)
    for body, n in ((1.8, 4), (2.5, 6.5), (4, 10), (6, 16), (9, 26)):
        yield f"resistor-{body}x{n}", partial(resistor, d=body, n=n)
    for w, n in ((10, 15), (16, 27), (28, 49), (45, 90), (70, 200)):
        yield f"power-resistor-{w}x{n}", partial(power_resistor, w=w, n=n)
    for d in (10, 18, 30, 50, 100):
        yield f"toroid-{d}", partial(toroid, d=d)
    for w in (20, 35, 60, 85, 150):
        yield f"transformer-{w}", partial(transformer, w=w)


def _semiconductors() -> Iterator[Sized]:
    for d, colour in ((3, RED), (5, GREEN), (8, ORANGE), (10, BLUE)):
        yield f"led-{d}", partial(led, d=d, colour=colour)
    for name, w, h, legs in (
        ("126", 8, 8, 3),
        ("220", 10, 9, 3),
        ("247", 16, 14, 3),
        ("220-5", 10, 9, 5),
        ("264", 20, 19, 3),
    ):
        yield f"to-{name}", partial(to_package, w=w, h=h, legs=legs)
    for pins, width in ((8, 7.6), (14, 7.6), (18, 7.6), (24, 15.2), (40, 15.2)):
        yield f"dip-{pins}", partial(dip, pins=pins, width=width)
    for side, pins in ((7, 8), (10, 11), (14, 16), (20, 20), (28, 30)):
        yield f"quad-flat-{side}", partial(quad_flat, side=side, pins=pins)
    for w, d, h in ((15, 15, 10), (25, 25, 18), (38, 35, 12), (80, 60, 30), (150, 100, 50), (300, 150, 70)):
        yield f"heat-sink-{w}x{d}", partial(heat_sink, w=w, d=d, h=h)


def _switchgear() -> Iterator[Sized]:
    for w, h, t, pins in ((15, 19, 15, 5), (28, 12, 10, 8), (22, 28, 36, 8), (40, 30, 30, 11), (70, 55, 60, 11)):
        yield f"relay-{w}x{h}", partial(relay, w=w, h=h, t=t, pins=pins)
    for d, n in ((5, 20), (6, 32), (10, 38), (22, 58), (40, 150)):
        yield f"fuse-{d}x{n}", partial(fuse, d=d, n=n)
    for w in (6, 13, 19, 30):
        yield f"toggle-{w}", partial(toggle, w=w)
    for d, colour in ((12, RED), (16, GREEN), (22, BLUE), (30, RED), (60, ORANGE)):
        yield f"push-button-{d}", partial(push_button, d=d, colour=colour)
    for modules, colour in ((1, BLACK), (2, BLUE), (3, RED), (4, GREEN), (8, ORANGE)):
        yield f"rail-device-{modules}", partial(rail_device, modules=modules, colour=colour)
    for w, d, h in ((30, 20, 12), (65, 50, 30), (100, 70, 25), (160, 120, 75), (280, 200, 90)):
        yield f"enclosure-{w}x{d}", partial(enclosure, w=w, d=d, h=h)


def _motion() -> Iterator[Sized]:
    for frame, side in NEMA.items():
        yield f"stepper-nema{frame}", partial(stepper, a=side)
    for side in (25, 40, 60, 92, 120, 200):
        yield f"fan-{side}", partial(fan, a=side)
    for d, n in ((12, 20), (20, 25), (24, 40), (36, 57), (52, 95), (90, 190)):
        yield f"motor-{d}x{n}", partial(motor, d=d, n=n)
    for d in (9, 16, 24, 36):
        yield f"potentiometer-{d}", partial(potentiometer, d=d)
    for d, n in ((8, 25), (12, 50), (18, 65), (30, 80), (50, 200)):
        yield f"proximity-sensor-{d}", partial(sensor, d=d, n=n)


FAMILIES = {
    "connectors": _connectors, "passives": _passives, "semiconductors": _semiconductors, "switchgear": _switchgear, "motion": _motion,
}  # fmt: skip
