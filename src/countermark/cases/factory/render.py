"""A camera over a table: oriented points in, a 64 x 64 picture out, in a few milliseconds with NumPy alone.

Orthographic, at a calibrated scale. Points are splatted in painter's order (far ones first) on a grid of
twice the resolution, shaded with a diffuse and a specular term, and averaged down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.cases.factory.parts import PIXELS, Part

SUPERSAMPLING = 2
GRID = PIXELS * SUPERSAMPLING
ELEVATION = np.radians(52.0)
SPLAT = ((0, 0), (0, 1), (1, 0), (1, 1), (0, -1), (-1, 0))


@dataclass(frozen=True, slots=True)
class Rig:
    """One supplier's photo rig.

    Attributes:
        light: unit vector towards the lamp. tint: RGB gain. gain: exposure. gloss: specular strength.
        table: RGB of the background. slope: brightness change over the picture. noise: standard deviation, 0..255.
        yaw, tilt, shift: spread of pose: radians, radians, pixels.
    """

    light: tuple[float, float, float]
    tint: tuple[float, float, float]
    gain: float
    gloss: float
    table: tuple[float, float, float]
    slope: tuple[float, float]
    noise: float
    yaw: float
    tilt: float
    shift: float


def rig(variant: str, rng: np.random.Generator) -> Rig:
    """A supplier's rig.

    Args:
        variant: ``"rig"``: everybody uses the prescribed rig and differs a little; ``"wild"``: own lamp, tint and
            background.
    """
    spread = 0.06 if variant == "rig" else 0.6
    lamp = np.array([0.35, -0.45, 0.82]) + rng.normal(0, spread * 0.5, 3)
    lamp /= np.linalg.norm(lamp)
    table = np.array([0.80, 0.81, 0.83]) + rng.normal(0, 0.015, 3)
    if variant == "wild":
        table = rng.uniform(0.15, 0.95, 3)
    return Rig(
        light=(float(lamp[0]), float(lamp[1]), float(abs(lamp[2]))),
        tint=tuple(np.clip(1 + rng.normal(0, spread * 0.25, 3), 0.6, 1.4).tolist()),
        gain=float(np.clip(1 + rng.normal(0, spread * 0.4), 0.6, 1.4)),
        gloss=float(np.clip(0.35 + rng.normal(0, spread * 0.3), 0.05, 0.9)),
        table=tuple(np.clip(table, 0.05, 1).tolist()),
        slope=tuple(rng.normal(0, spread * 0.25, 2).tolist()),
        noise=float(2.0 + spread * 4 * rng.random()),
        yaw=0.5,
        tilt=0.12,
        shift=1.5,
    )


def _rotation(yaw: float, tilt: float, roll: float) -> NDArray[np.float32]:
    cy, sy, ct, st, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(tilt), np.sin(tilt), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    nod = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    lean = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    ce, se = np.cos(np.pi / 2 - ELEVATION), np.sin(np.pi / 2 - ELEVATION)
    camera = np.array([[1, 0, 0], [0, ce, -se], [0, se, ce]])
    return (camera @ nod @ lean @ turn).astype(np.float32)


def photograph(part: Part, rig_: Rig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture of a part.

    Returns:
        uint8 (64, 64, 3), RGB.
    """
    yaw, tilt, roll = rng.uniform(-rig_.yaw, rig_.yaw), *rng.uniform(-rig_.tilt, rig_.tilt, 2)
    turn = _rotation(float(yaw), float(tilt), float(roll))
    points, normals = part.surface.points @ turn.T, part.surface.normals @ turn.T
    facing = normals[:, 2] > -0.15
    points, normals, colours = points[facing], normals[facing], part.surface.colours[facing]
    shaded = _shade(normals, colours, rig_)
    canvas = _table(rig_)
    at = points[:, :2] * (GRID / part.field_mm) + GRID / 2 + rng.uniform(-rig_.shift, rig_.shift, 2) * SUPERSAMPLING
    order = np.argsort(points[:, 2], kind="stable")
    _splat(canvas, at[order].astype(np.int32), shaded[order])
    picture = canvas.reshape(PIXELS, SUPERSAMPLING, PIXELS, SUPERSAMPLING, 3).mean(axis=(1, 3))
    picture = picture * np.float32(rig_.tint) * rig_.gain * 255 + rng.normal(0, rig_.noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _shade(normals: NDArray[np.float32], colours: NDArray[np.float32], rig_: Rig) -> NDArray[np.float32]:
    """Diffuse plus Blinn-Phong specular, camera along z."""
    light = np.float32(rig_.light)
    diffuse = np.clip(normals @ light, 0, 1)
    half = light + np.float32([0, 0, 1])
    half /= np.linalg.norm(half)
    specular = np.clip(normals @ half, 0, 1) ** 24 * rig_.gloss
    return np.asarray(np.clip(colours * (0.32 + 0.72 * diffuse[:, None]) + specular[:, None], 0, 1.1), np.float32)


def _table(rig_: Rig) -> NDArray[np.float32]:
    ramp = np.linspace(-0.5, 0.5, GRID, dtype=np.float32)
    light = 1 + rig_.slope[0] * ramp[None, :] + rig_.slope[1] * ramp[:, None]
    return np.asarray(light[:, :, None] * np.float32(rig_.table), np.float32)


def _splat(canvas: NDArray[np.float32], at: NDArray[np.int32], colours: NDArray[np.float32]) -> None:
    """Paint points as small plus-shaped dots; later points win."""
    flat = canvas.reshape(-1, 3)
    for dx, dy in SPLAT:
        x, y = at[:, 0] + dx, GRID - 1 - (at[:, 1] + dy)
        inside = (x >= 0) & (x < GRID) & (y >= 0) & (y < GRID)
        flat[y[inside] * GRID + x[inside]] = colours[inside]
