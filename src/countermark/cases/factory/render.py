"""A camera over a table: oriented points in, a 64 x 64 picture out, in a few milliseconds with NumPy alone.

Orthographic, at a calibrated scale. Points are drawn in painter's order (far ones first) on a grid of twice the
resolution; what stays on top is shaded (Lambert plus Blinn-Phong, and a studio reflection that makes metal look
like metal), a soft shadow falls on the table, and the grid is averaged down.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.cases.factory.parts import CELLS, PIXELS, Part

SUPERSAMPLING = CELLS // PIXELS
ELEVATION = np.radians(52.0)
DOT = ((0, 0), (1, 0), (0, 1), (1, 1))
Grid = NDArray[np.float32]


def stream(*names: object) -> np.random.Generator:
    """A random generator of its own for every sequence of names, the same on every machine."""
    text = "\0".join(str(name) for name in names)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


@dataclass(frozen=True, slots=True)
class Rig:
    """A photo rig.

    Attributes:
        light: unit vector towards the lamp, camera's axes. tint: RGB gain. gain: exposure. gamma: tone curve.
        gloss: strength of highlights. table: RGB of the background. slope: change of brightness over the picture.
        shadow: darkness of the shadow, 0..1. noise: standard deviation, 0..255.
        yaw, tilt, shift: spread of pose: radians, radians, pixels.
    """

    light: tuple[float, float, float]
    tint: tuple[float, float, float]
    gain: float
    gamma: float
    gloss: float
    table: tuple[float, float, float]
    slope: tuple[float, float]
    shadow: float
    noise: float
    yaw: float
    tilt: float
    shift: float


def rig(variant: str, rng: np.random.Generator) -> Rig:
    """Somebody's photo rig.

    Args:
        variant: ``"rig"``: the prescribed rig, which differs a little from one company to the next; ``"wild"``: own
            lamp, tint, background, gloss and noise.
    """
    wild = variant == "wild"
    spread = 0.6 if wild else 0.05
    lamp = np.array([-0.45, 0.35, 0.82]) + rng.normal(0, spread * 0.6, 3)
    lamp[2] = max(abs(lamp[2]), 0.4)
    lamp /= np.linalg.norm(lamp)
    table = (
        rng.uniform(0.15, 0.95) + rng.normal(0, 0.1, 3)
        if wild
        else np.array([0.80, 0.81, 0.83]) + rng.normal(0, 0.006, 3)
    )
    return Rig(
        light=(float(lamp[0]), float(lamp[1]), float(lamp[2])),
        tint=_three(np.clip(1 + rng.normal(0, spread * (0.2 if wild else 0.1), 3), 0.6, 1.4)),
        gain=float(np.clip(1 + rng.normal(0, spread * 0.4), 0.6, 1.4)),
        gamma=float(np.clip(1 + rng.normal(0, spread * 0.3), 0.7, 1.5)),
        gloss=float(np.clip(0.30 + rng.normal(0, spread * 0.3), 0.05, 0.9)),
        table=_three(np.clip(table, 0.05, 0.98)),
        slope=(float(rng.normal(0, spread * 0.25)), float(rng.normal(0, spread * 0.25))),
        shadow=float(np.clip(0.35 + rng.normal(0, spread * 0.3), 0.0, 0.7)),
        noise=float(2.0 + spread * 6 * rng.random()),
        yaw=0.5,
        tilt=0.12,
        shift=1.5,
    )


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _rotation(yaw: float, tilt: float, roll: float) -> tuple[Grid, Grid]:
    """How the part lies on the table, and how the camera sees the table: two (3, 3) matrices."""
    cy, sy, ct, st, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(tilt), np.sin(tilt), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    nod = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    lean = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    up, back = np.sin(ELEVATION), np.cos(ELEVATION)
    camera = np.array([[1, 0, 0], [0, up, back], [0, -back, up]])
    return (nod @ lean @ turn).astype(np.float32), camera.astype(np.float32)


def photograph(part: Part, rig_: Rig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture of a part in a pose of its own.

    Returns:
        uint8 (64, 64, 3), RGB.
    """
    angles = rng.uniform(-1, 1, 3) * (rig_.yaw, rig_.tilt, rig_.tilt)
    pose, camera = _rotation(float(angles[0]), float(angles[1]), float(angles[2]))
    view = camera @ pose
    scale, centre = CELLS / part.field_mm, CELLS / 2 + rng.uniform(-rig_.shift, rig_.shift, 2) * SUPERSAMPLING
    depth_axis, surface = view[2], part.surface
    facing = np.flatnonzero(surface.normals @ depth_axis > -0.05)
    points = surface.points[facing]
    seen = points @ view.T
    order = np.argsort(seen[:, 2], kind="stable")
    top = _topmost(_cells(seen[order, :2] * scale + centre))
    canvas = _table(rig_) * _shadow(points, pose, camera, rig_, scale, centre)[:, :, None]
    covered = top >= 0
    index = facing[order[top[covered]]]
    canvas[covered] = _shade(surface.normals[index] @ view.T, surface.colours[index], rig_)
    picture = canvas.reshape(PIXELS, SUPERSAMPLING, PIXELS, SUPERSAMPLING, 3).mean(axis=(1, 3))
    return _expose(picture, rig_, rng)


def _cells(at: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    """Grid cells (n, 2) as (row, column), rows downwards."""
    cells = np.floor(at).astype(np.int32)
    return np.stack([CELLS - 1 - cells[:, 1], cells[:, 0]], 1)


def _topmost(cells: NDArray[np.int32]) -> NDArray[np.intp]:
    """Which point stays on top of each cell: (CELLS, CELLS), -1 where none; points come far ones first."""
    board = np.full((CELLS + 2, CELLS + 2), -1, np.intp)
    rows = np.stack([cells[:, 0] + dy for dy, _ in DOT], 1)
    columns = np.stack([cells[:, 1] + dx for _, dx in DOT], 1)
    # Row by row of (point, dot), so that of several dots in one cell the nearest point's is written last.
    flat = (rows.clip(-1, CELLS) + 1) * (CELLS + 2) + columns.clip(-1, CELLS) + 1
    board.reshape(-1)[flat.ravel()] = np.repeat(np.arange(len(cells)), len(DOT))
    return board[1:-1, 1:-1]


def _shade(normals: Grid, colours: Grid, rig_: Rig) -> Grid:
    """Colours (n, 3) of points by their normals (n, 3) in the camera's axes."""
    light = np.array(rig_.light, np.float32)
    diffuse = np.clip(normals @ light, 0, 1)
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    highlight = np.clip(normals @ half, 0, 1) ** 24
    # A bright ceiling above and a dark room below, as the mirror direction of each normal sees them.
    studio = np.tanh(5 * (2 * normals[:, 2] * normals[:, 1] - 0.15))
    lit = colours * (0.34 + 0.66 * diffuse + rig_.gloss * 0.45 * studio)[:, None]
    return np.asarray(np.clip(lit + (rig_.gloss * 1.2 * highlight)[:, None], 0, 1.1), np.float32)


def _table(rig_: Rig) -> Grid:
    ramp = np.linspace(-0.5, 0.5, CELLS, dtype=np.float32)
    light = 1 + np.float32(rig_.slope[0]) * ramp[None, :] + np.float32(rig_.slope[1]) * ramp[:, None]
    return np.asarray(light[:, :, None] * np.array(rig_.table, np.float32), np.float32)


def _shadow(points: Grid, pose: Grid, camera: Grid, rig_: Rig, scale: float, centre: NDArray[np.float64]) -> Grid:
    """How much light reaches each cell of the table, 0..1: the part's outline as the lamp throws it, blurred."""
    lying = points[:: max(1, len(points) // 4000)] @ pose.T
    lamp = camera.T @ np.array(rig_.light, np.float32)
    ground = lying[:, 2].min()
    reach = (lying[:, 2] - ground)[:, None]
    fallen = np.column_stack(
        [lying[:, :2] - reach * (lamp[:2] / max(float(lamp[2]), 0.3)), np.full(len(lying), ground)]
    )
    cells = _cells(fallen @ camera[:2].T * scale + centre) // SUPERSAMPLING
    dark = np.zeros((PIXELS, PIXELS), np.float32)
    inside = ((cells >= 0) & (cells < PIXELS)).all(axis=1)
    dark[cells[inside, 0], cells[inside, 1]] = 1
    for _ in range(3):
        padded = np.pad(dark, 1)
        dark = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + 2 * dark
        dark /= 6
    return (1 - np.float32(rig_.shadow) * dark).repeat(SUPERSAMPLING, 0).repeat(SUPERSAMPLING, 1)


def _expose(picture: Grid, rig_: Rig, rng: np.random.Generator) -> NDArray[np.uint8]:
    exposed = (
        np.clip(picture * np.array(rig_.tint, np.float32) * np.float32(rig_.gain), 0, 1) ** np.float32(rig_.gamma) * 255
    )
    exposed += rng.standard_normal(picture.shape, np.float32) * np.float32(rig_.noise)
    return np.asarray(np.clip(exposed, 0, 255), np.uint8)
