"""Surfaces as clouds of oriented points: what a part looks like, before anybody photographs it.

Every function returns points (n, 3) in millimetres and unit normals (n, 3), float32, sampled evenly by
area. Axis of revolution is z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Values = NDArray[np.float64]
Colour = tuple[float, float, float]
PLASTIC = 1.324717957244746  # the real root of x^3 = x + 1
R2 = (1 / PLASTIC, 1 / PLASTIC**2)
LAY = (2, 0, 1)
OTHER_AXES = np.array([[1, 2], [0, 2], [0, 1]])
ZINC, STEEL, BLACK, BRASS = (0.72, 0.74, 0.78), (0.55, 0.56, 0.58), (0.16, 0.16, 0.17), (0.78, 0.62, 0.25)
COPPER, WHITE, GREEN, BLUE = (0.72, 0.45, 0.30), (0.90, 0.90, 0.88), (0.15, 0.50, 0.28), (0.15, 0.30, 0.62)
RED, ORANGE, GREY, IVORY = (0.70, 0.14, 0.13), (0.88, 0.45, 0.10), (0.40, 0.41, 0.43), (0.86, 0.82, 0.70)


@dataclass(frozen=True, slots=True)
class Surface:
    """Points (n, 3) in mm, unit normals (n, 3), and RGB colours (n, 3) in 0..1; all float32."""

    points: Array
    normals: Array
    colours: Array

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Surface:
        """The same surface elsewhere."""
        return Surface(self.points + np.array([x, y, z], np.float32), self.normals, self.colours)

    def turned(self, axes: Sequence[int]) -> Surface:
        """The same surface with its axes permuted: ``(2, 0, 1)`` lays z along x."""
        order = list(axes)
        return Surface(self.points[:, order], self.normals[:, order], self.colours)

    @property
    def extents(self) -> Array:
        """Size along x, y, z in mm."""
        return np.asarray(np.ptp(self.points, axis=0), np.float32)


def join(parts: Sequence[Surface]) -> Surface:
    """Several surfaces as one."""
    return Surface(
        np.concatenate([p.points for p in parts]),
        np.concatenate([p.normals for p in parts]),
        np.concatenate([p.colours for p in parts]),
    )


def around(one: Surface, count: int, *, start: float = 0.0) -> list[Surface]:
    """Copies of a surface, turned about z in equal steps from the angle `start` (radians)."""
    out = []
    for angle in start + np.arange(count) * 2 * np.pi / count:
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
        out.append(Surface(one.points @ turn, one.normals @ turn, one.colours))
    return out


class Sampler:
    """Samples surfaces evenly by area at a density (points per mm2), all from one seed.

    The points follow the R2 sequence (Roberts 2018), not a random generator: an additive recurrence in the
    unit square that leaves no holes and no clumps in rectangles of any shape, so that a third of the points covers
    a surface as well.
    """

    def __init__(self, seed: int, density: float, *, least: int = 24, most: int = 40_000) -> None:
        self._rng = np.random.default_rng(seed)
        self._density, self._least, self._most = density, least, most

    def _square(self, area: float) -> tuple[Values, Values]:
        """As many points in the unit square as an area (mm2) deserves."""
        n = max(self._least, min(self._most, int(abs(area) * self._density)))
        start, steps = self._rng.random(2), np.arange(n)
        u, v = start[0] + steps * R2[0], start[1] + steps * R2[1]
        return u - np.floor(u), v - np.floor(v)

    def _made(self, points: Values, normals: Values, colour: Colour) -> Surface:
        colours = np.empty((len(points), 3), np.float32)
        colours[:] = colour
        return Surface(points.astype(np.float32), normals.astype(np.float32), colours)

    def tube(self, radius: float, z0: float, z1: float, colour: Colour, *, inward: bool = False) -> Surface:
        """Side of a cylinder; `inward` for the wall of a hole."""
        return self.cone(radius, radius, z0, z1, colour, inward=inward)

    def cone(self, r0: float, r1: float, z0: float, z1: float, colour: Colour, *, inward: bool = False) -> Surface:
        """Side of a frustum from radius `r0` at `z0` to `r1` at `z1`."""
        slant = max(float(np.hypot(z1 - z0, r1 - r0)), 1e-6)
        share, round_ = self._square(np.pi * (r0 + r1) * slant)
        # Even by area: the inverse of the cumulated circumference along the slant.
        t = share if r0 == r1 else (-r0 + np.sqrt(r0 * r0 + share * (r1 * r1 - r0 * r0))) / (r1 - r0)
        radius, angle = r0 + t * (r1 - r0), 2 * np.pi * round_
        c, s = np.cos(angle), np.sin(angle)
        tilt, flat = (r0 - r1) / slant, (z1 - z0) / slant
        points = np.stack([radius * c, radius * s, z0 + t * (z1 - z0)], 1)
        normals = np.stack([c * flat, s * flat, np.full(len(c), tilt)], 1)
        return self._made(points, -normals if inward else normals, colour)

    def ring(self, inner: float, outer: float, z: float, colour: Colour, *, up: bool = True) -> Surface:
        """Flat annulus at height `z`; `inner` 0 makes a disk."""
        share, round_ = self._square(np.pi * (outer**2 - inner**2))
        radius, angle = np.sqrt(inner**2 + share * (outer**2 - inner**2)), 2 * np.pi * round_
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(len(share), z)], 1)
        return self._made(points, np.tile([0.0, 0.0, 1.0 if up else -1.0], (len(points), 1)), colour)

    def pipe(self, inner: float, outer: float, z0: float, z1: float, colour: Colour) -> Surface:
        """Hollow cylinder with both faces; `inner` 0 makes it solid."""
        faces = [
            self.ring(inner, outer, z1, colour),
            self.ring(inner, outer, z0, colour, up=False),
            self.tube(outer, z0, z1, colour),
        ]
        return join([*faces, self.tube(inner, z0, z1, colour, inward=True)] if inner > 0 else faces)

    def box(self, size: Sequence[float], colour: Colour, centre: Sequence[float] = (0, 0, 0)) -> Surface:
        """Cuboid of `size` (x, y, z) around `centre`."""
        edges = np.asarray(size, np.float64)
        faces = np.array([edges[1] * edges[2], edges[0] * edges[2], edges[0] * edges[1]]).repeat(2)
        share, across = self._square(float(faces.sum()))
        face, along = _spread(share, faces)
        axis, side, rows = face // 2, face % 2 * 2.0 - 1, np.arange(len(face))
        points, normals = np.zeros((len(face), 3)), np.zeros((len(face), 3))
        first, second = OTHER_AXES[axis].T
        points[rows, first], points[rows, second] = (along - 0.5) * edges[first], (across - 0.5) * edges[second]
        points[rows, axis], normals[rows, axis] = side * edges[axis] / 2, side
        return self._made(points + np.asarray(centre), normals, colour)

    def prism(self, outline: Values, z0: float, z1: float, colour: Colour, *, hole: float = 0.0) -> Surface:
        """Extruded polygon (star-shaped around the origin, counter-clockwise, (m, 2)) with a round hole."""
        edges = np.roll(outline, -1, axis=0) - outline
        lengths = np.hypot(edges[:, 0], edges[:, 1])
        share, height = self._square(float(lengths.sum()) * (z1 - z0))
        pick, along = _spread(share, lengths)
        flat = outline[pick] + along[:, None] * edges[pick]
        normal = np.stack([edges[pick, 1], -edges[pick, 0], np.zeros(len(pick))], 1) / lengths[pick, None]
        wall = self._made(np.column_stack([flat, z0 + height * (z1 - z0)]), normal, colour)
        caps = [self._cap(outline, z, colour, hole, up=up) for z, up in ((z1, True), (z0, False))]
        bore = [self.tube(hole, z0, z1, colour, inward=True)] if hole else []
        return join([wall, *caps, *bore])

    def _cap(self, outline: Values, z: float, colour: Colour, hole: float, *, up: bool) -> Surface:
        following = np.roll(outline, -1, axis=0)
        areas = 0.5 * np.abs(outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0])
        share, far = self._square(float(areas.sum()))
        pick, along = _spread(share, areas)
        out, v = np.sqrt(far)[:, None], along[:, None]
        flat = out * ((1 - v) * outline[pick] + v * following[pick])
        flat = flat[np.hypot(flat[:, 0], flat[:, 1]) >= hole]
        points = np.column_stack([flat, np.full(len(flat), z)])
        return self._made(points, np.tile([0.0, 0.0, 1.0 if up else -1.0], (len(flat), 1)), colour)

    def ball(self, radius: float, colour: Colour, *, above: float = -1.0) -> Surface:
        """Sphere around the origin; only its part with z >= `above` * radius."""
        share, round_ = self._square(2 * np.pi * radius**2 * (1 - above))
        z, angle = above + share * (1 - above), 2 * np.pi * round_
        across = np.sqrt(np.maximum(1 - z * z, 0))
        normals = np.stack([across * np.cos(angle), across * np.sin(angle), z], 1)
        return self._made(normals * radius, normals, colour)

    def torus(self, radius: float, thickness: float, colour: Colour, *, arc: float = 2 * np.pi) -> Surface:
        """Ring of wire: `radius` to the wire's axis, `thickness` is the wire's diameter, `arc` how far round."""

        def path(t: Values) -> Values:
            return np.stack([radius * np.cos(t * arc), radius * np.sin(t * arc), 0 * t], 1)

        return self.wire(path, radius * arc, thickness, colour)

    def coil(self, radius: float, thickness: float, length: float, turns: float, colour: Colour) -> Surface:
        """Helix of wire along z: `radius` to the wire's axis, `thickness` is the wire's diameter."""

        def path(t: Values) -> Values:
            angle = 2 * np.pi * turns * t
            return np.stack([radius * np.cos(angle), radius * np.sin(angle), length * (t - 0.5)], 1)

        return self.wire(path, float(np.hypot(2 * np.pi * radius * turns, length)), thickness, colour)

    def wire(self, path: Callable[[Values], Values], length: float, thickness: float, colour: Colour) -> Surface:
        """Round wire along ``path(t)``, t in 0..1 as (n,) -> (n, 3); `length` and `thickness` in mm."""
        t, round_ = self._square(np.pi * thickness * length)
        tangent = path(np.clip(t + 1e-4, 0, 1)) - path(np.clip(t - 1e-4, 0, 1))
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        side = np.cross(tangent, [0.3, 0.2, 0.93])
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        angle = 2 * np.pi * round_[:, None]
        normals = np.cos(angle) * side + np.sin(angle) * np.cross(tangent, side)
        return self._made(path(t) + normals * thickness / 2, normals, colour)


def _spread(share: Values, sizes: Values) -> tuple[NDArray[np.intp], Values]:
    """Values in 0..1 as (which of the pieces, how far along it), each piece by its size."""
    ends = np.cumsum(sizes) / sizes.sum()
    pick = np.minimum(np.searchsorted(ends, share, side="right"), len(sizes) - 1)
    begins = np.concatenate([[0.0], ends[:-1]])
    return pick, (share - begins[pick]) / np.maximum(ends[pick] - begins[pick], 1e-12)


def polygon(sides: int, across_flats: float) -> Values:
    """Regular polygon by the width across its flats, (sides, 2)."""
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    radius = across_flats / 2 / np.cos(np.pi / sides)
    return np.asarray(radius * np.stack([np.cos(angle), np.sin(angle)], 1))


def toothed(teeth: int, root: float, tip: float, *, share: float = 0.5) -> Values:
    """Outline of a wheel with trapezoid teeth between the radii `root` and `tip`, (4 * teeth, 2)."""
    pitch = 2 * np.pi / teeth
    offsets = np.array([-0.5, -0.28, 0.28, 0.5]) * share * 2 * pitch / 2
    radii = np.array([root, tip, tip, root])
    angle = (np.arange(teeth)[:, None] * pitch + offsets).ravel()
    radius = np.tile(radii, teeth)
    return np.asarray(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))


Build = Callable[[Sampler], Surface]
Sized = tuple[str, Build]
