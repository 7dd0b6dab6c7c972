"""Triangle meshes read from files: checking them, cutting polygons into triangles, and sampling their surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.cases.factory._solids import R2, Array, Surface, Values
from countermark.errors import FormatRefused

Indices = NDArray[np.int64]
MAX_TRIANGLES = 2_000_000
MAX_COORDINATE = 1e7
PLAIN = (0.6, 0.6, 0.62)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles (n, 3 corners, 3) in mm, float64, and a colour for each, (n, 3) float32 in 0..1."""

    triangles: Values
    colours: Array


def refuse(why: str) -> FormatRefused:
    """The refusal of a model file; the reader of the folder adds which."""
    return FormatRefused("the part model can not be read", why=why, mend="export it again as VRML 2, STL or OBJ")


def fan(faces: Indices) -> Indices:
    """Polygons as triangles.

    Args:
        faces: vertex numbers, each polygon ended by -1 (a missing last one is allowed).

    Returns:
        (triangles, 3) vertex numbers. Polygons of fewer than three corners are left out.

    Raises:
        FormatRefused: more than `MAX_TRIANGLES`.
    """
    if len(faces) and faces[-1] != -1:
        faces = np.append(faces, -1)
    ends = np.flatnonzero(faces == -1)
    begins = np.concatenate([[0], ends + 1])[: len(ends)].astype(np.int64)
    counts = np.maximum(ends - begins - 2, 0)
    total = int(counts.sum())
    if total > MAX_TRIANGLES:
        raise refuse(f"{total} triangles; at most {MAX_TRIANGLES}")
    first = np.repeat(begins, counts)
    step = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([faces[first], faces[first + step + 1], faces[first + step + 2]], 1)


def corners(points: Values, triangles: Indices) -> Values:
    """Corner positions (n, 3, 3) of triangles given by vertex numbers.

    Raises:
        FormatRefused: a number without a vertex, or a coordinate that is not finite or absurd.
    """
    if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(points)):
        raise refuse(f"a face names vertex {int(triangles.max())} of {len(points)}")
    if not np.isfinite(points).all() or (len(points) and np.abs(points).max() > MAX_COORDINATE):
        raise refuse("a coordinate is not finite or beyond all measure")
    return points[triangles]


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one.

    Raises:
        FormatRefused: there is no triangle of any area, or there are too many.
    """
    if sum(len(mesh.triangles) for mesh in meshes) > MAX_TRIANGLES:
        raise refuse(f"more than {MAX_TRIANGLES} triangles")
    if not meshes:
        raise refuse("it holds no surface")
    whole = Mesh(np.concatenate([m.triangles for m in meshes]), np.concatenate([m.colours for m in meshes]))
    if not len(whole.triangles) or _areas(whole)[1].sum() <= 0:
        raise refuse("it holds no surface")
    return whole


def _areas(mesh: Mesh) -> tuple[Values, Values]:
    crossed = np.cross(mesh.triangles[:, 1] - mesh.triangles[:, 0], mesh.triangles[:, 2] - mesh.triangles[:, 0])
    return crossed, np.linalg.norm(crossed, axis=1) / 2


def area(mesh: Mesh) -> float:
    """Of all triangles, mm2."""
    return float(_areas(mesh)[1].sum())


def sample(mesh: Mesh, count: int) -> Surface:
    """About `count` points, evenly by area along the R2 sequence; both sides of every triangle.

    Exporters do not agree about which side of a triangle is outside, so each point comes twice, once facing either
    way; the one that faces away from the camera is culled, and inner sides are hidden by what lies before them.
    """
    crossed, areas = _areas(mesh)
    ends = np.cumsum(areas) / areas.sum()
    steps = np.arange(max(count // 2, 64))
    share, across = (0.5 + steps * R2[0]) % 1.0, (0.5 + steps * R2[1]) % 1.0
    pick = np.minimum(np.searchsorted(ends, share, side="right"), len(areas) - 1)
    begins = np.concatenate([[0.0], ends[:-1]])
    along = (share - begins[pick]) / np.maximum(ends[pick] - begins[pick], 1e-15)
    root = np.sqrt(np.clip(along, 0, 1))[:, None]
    a, b, c = (mesh.triangles[pick, corner] for corner in range(3))
    points = (1 - root) * a + root * (1 - across[:, None]) * b + root * across[:, None] * c
    normals = crossed[pick] / np.maximum(2 * areas[pick], 1e-15)[:, None]
    return Surface(
        np.concatenate([points, points]).astype(np.float32),
        np.concatenate([normals, -normals]).astype(np.float32),
        np.concatenate([mesh.colours[pick]] * 2),
    )
