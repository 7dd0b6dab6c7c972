"""Surfaces as clouds of oriented points: what a part looks like, before anybody photographs it.

Every function returns points (n, 3) in millimetres and unit normals (n, 3), float32, sampled evenly by
area. Axis of revolution is z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Surface:
    """Points (n, 3) in mm, unit normals (n, 3), and RGB colours (n, 3) in 0..1; all float32."""

    points: Array
    normals: Array
    colours: Array

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Surface:
        """The same surface elsewhere."""
        return Surface(self.points + np.float32([x, y, z]), self.normals, self.colours)

    def turned(self, axes: Sequence[int]) -> Surface:
        """The same surface with its axes permuted, ``(2, 1, 0)`` lays z along x."""
        order = list(axes)
        return Surface(self.points[:, order], self.normals[:, order], self.colours)

    @property
    def extents(self) -> Array:
        """Size along x, y, z in mm."""
        return np.ptp(self.points, axis=0)


def join(parts: Sequence[Surface]) -> Surface:
    """Several surfaces as one."""
    return Surface(
        np.concatenate([p.points for p in parts]),
        np.concatenate([p.normals for p in parts]),
        np.concatenate([p.colours for p in parts]),
    )


class Sampler:
    """Samples surfaces at a density (points per mm2), all from one seed."""

    def __init__(self, seed: int, density: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._density = density

    def _count(self, area: float) -> int:
        return max(24, min(40_000, int(abs(area) * self._density)))

    def _made(self, points: Array, normals: Array, colour: Sequence[float]) -> Surface:
        colours = np.tile(np.float32(colour), (len(points), 1))
        return Surface(points.astype(np.float32), normals.astype(np.float32), colours)

    def tube(self, radius: float, z0: float, z1: float, colour: Sequence[float], *, inward: bool = False) -> Surface:
        """Side of a cylinder; `inward` for the wall of a hole."""
        return self.cone(radius, radius, z0, z1, colour, inward=inward)

    def cone(
        self, r0: float, r1: float, z0: float, z1: float, colour: Sequence[float], *, inward: bool = False
    ) -> Surface:
        """Side of a frustum from radius `r0` at `z0` to `r1` at `z1`."""
        slant = float(np.hypot(z1 - z0, r1 - r0))
        n = self._count(np.pi * (r0 + r1) * slant)
        share = self._rng.random(n)
        # Even by area: the inverse of the cumulated circumference along the slant.
        t = share if r0 == r1 else (-r0 + np.sqrt(r0 * r0 + share * (r1 * r1 - r0 * r0))) / (r1 - r0)
        angle = self._rng.uniform(0, 2 * np.pi, n)
        radius = r0 + t * (r1 - r0)
        c, s = np.cos(angle), np.sin(angle)
        sign = -1.0 if inward else 1.0
        tilt = (r0 - r1) / max(slant, 1e-6)
        flat = (z1 - z0) / max(slant, 1e-6)
        points = np.stack([radius * c, radius * s, z0 + t * (z1 - z0)], 1)
        return self._made(points, np.stack([c * flat, s * flat, np.full(n, tilt)], 1) * sign, colour)

    def ring(self, inner: float, outer: float, z: float, colour: Sequence[float], *, up: bool = True) -> Surface:
        """Flat annulus at height `z`; `inner` 0 makes a disk."""
        n = self._count(np.pi * (outer**2 - inner**2))
        radius = np.sqrt(self._rng.uniform(inner**2, outer**2, n))
        angle = self._rng.uniform(0, 2 * np.pi, n)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(n, z)], 1)
        normals = np.tile([0.0, 0.0, 1.0 if up else -1.0], (n, 1))
        return self._made(points, normals, colour)

    def pipe(self, inner: float, outer: float, z0: float, z1: float, colour: Sequence[float]) -> Surface:
        """Hollow cylinder with both faces; `inner` 0 makes it solid."""
        faces = [
            self.ring(inner, outer, z1, colour), self.ring(inner, outer, z0, colour, up=False),
            self.tube(outer, z0, z1, colour),
        ]  # fmt: skip
        return join([*faces, self.tube(inner, z0, z1, colour, inward=True)] if inner > 0 else faces)

    def box(self, size: Sequence[float], colour: Sequence[float], centre: Sequence[float] = (0, 0, 0)) -> Surface:
        """Cuboid around `centre`."""
        faces = []
        for axis in range(3):
            a, b = (i for i in range(3) if i != axis)
            for side in (-0.5, 0.5):
                n = self._count(size[a] * size[b])
                points = np.zeros((n, 3))
                points[:, a] = self._rng.uniform(-0.5, 0.5, n) * size[a]
                points[:, b] = self._rng.uniform(-0.5, 0.5, n) * size[b]
                points[:, axis] = side * size[axis]
                normals = np.zeros((n, 3))
                normals[:, axis] = np.sign(side)
                faces.append(self._made(points + np.asarray(centre), normals, colour))
        return join(faces)

    def prism(
        self, outline: NDArray[np.float64], z0: float, z1: float, colour: Sequence[float], *, hole: float = 0.0
    ) -> Surface:
        """Extruded polygon (star-shaped around the origin, counter-clockwise, (m, 2)) with a round hole."""
        following = np.roll(outline, -1, axis=0)
        edges = following - outline
        lengths = np.hypot(edges[:, 0], edges[:, 1])
        n = self._count(float(lengths.sum()) * (z1 - z0))
        pick = self._rng.choice(len(outline), n, p=lengths / lengths.sum())
        along = self._rng.random(n)[:, None]
        flat = outline[pick] + along * edges[pick]
        normal = np.stack([edges[pick, 1], -edges[pick, 0]], 1) / lengths[pick, None]
        wall = self._made(
            np.column_stack([flat, self._rng.uniform(z0, z1, n)]), np.column_stack([normal, np.zeros(n)]), colour
        )
        caps = [self._cap(outline, z, colour, hole, up=up) for z, up in ((z1, True), (z0, False))]
        bore = [self.tube(hole, z0, z1, colour, inward=True)] if hole else []
        return join([wall, *caps, *bore])

    def _cap(
        self, outline: NDArray[np.float64], z: float, colour: Sequence[float], hole: float, *, up: bool
    ) -> Surface:
        following = np.roll(outline, -1, axis=0)
        areas = 0.5 * np.abs(outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0])
        n = self._count(float(areas.sum()))
        pick = self._rng.choice(len(outline), n, p=areas / areas.sum())
        u, v = np.sqrt(self._rng.random(n))[:, None], self._rng.random(n)[:, None]
        flat = u * (1 - v) * outline[pick] + u * v * following[pick]
        flat = flat[np.hypot(flat[:, 0], flat[:, 1]) >= hole]
        points = np.column_stack([flat, np.full(len(flat), z)])
        return self._made(points, np.tile([0.0, 0.0, 1.0 if up else -1.0], (len(flat), 1)), colour)

    def ball(self, radius: float, colour: Sequence[float]) -> Surface:
        """Sphere around the origin."""
        n = self._count(4 * np.pi * radius**2)
        normals = self._rng.normal(size=(n, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return self._made(normals * radius, normals, colour)

    def torus(self, radius: float, thickness: float, colour: Sequence[float], *, arc: float = 2 * np.pi) -> Surface:
        """Ring of wire: `radius` to the wire's axis, `thickness` is the wire's diameter, `arc` how far round."""
        return self.wire(lambda t: np.stack([radius * np.cos(t * arc), radius * np.sin(t * arc), 0 * t], 1),
                         radius * arc, thickness, colour)  # fmt: skip

    def wire(
        self, path: object, length: float, thickness: float, colour: Sequence[float]
    ) -> Surface:
        """Round wire along ``path(t)``, t in 0..1 as (n,) -> (n, 3); `length` and `thickness` in mm."""
        if not callable(path):
            raise TypeError("path is not callable")
        n = self._count(np.pi * thickness * length)
        t = self._rng.random(n)
        centre = path(t)
        tangent = path(np.clip(t + 1e-4, 0, 1)) - path(np.clip(t - 1e-4, 0, 1))
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        side = np.cross(tangent, [0.3, 0.2, 0.93])
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        other = np.cross(tangent, side)
        angle = self._rng.uniform(0, 2 * np.pi, n)[:, None]
        normals = np.cos(angle) * side + np.sin(angle) * other
        return self._made(centre + normals * thickness / 2, normals, colour)


def polygon(sides: int, across_flats: float) -> NDArray[np.float64]:
    """Regular polygon by the width across its flats, (sides, 2)."""
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    radius = across_flats / 2 / np.cos(np.pi / sides)
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def toothed(teeth: int, root: float, tip: float, *, share: float = 0.5) -> NDArray[np.float64]:
    """Outline of a wheel with trapezoid teeth between the radii `root` and `tip`, (4 * teeth, 2)."""
    pitch = 2 * np.pi / teeth
    offsets = np.array([-0.5, -0.28, 0.28, 0.5]) * share * 2 * pitch / 2
    radii = np.array([root, tip, tip, root])
    angle = (np.arange(teeth)[:, None] * pitch + offsets).ravel()
    radius = np.tile(radii, teeth)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
