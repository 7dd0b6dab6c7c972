"""Parts: which exist, how large they look, and which of them can be told apart.

The camera stands at a fixed, calibrated distance, so that sizes differ in the picture. Each part is photographed
with one of three fields of view, which the contract records.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from countermark.cases.factory._families import Model, models
from countermark.cases.factory._solids import Sampler, Surface
from countermark.errors import Unusable

FIELDS_MM = (40.0, 120.0, 400.0)
PIXELS = 64
FILL = 0.92
LEAST_PX = 3.0
CELLS = 128  # the renderer's grid
POINTS_PER_CELL = 1.2
MOST_POINTS = 48_000
VIEWS = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True, slots=True)
class Part:
    """One (type, size) that suppliers photograph.

    Attributes:
        label: class name. family: what kind it is. field_mm: side of the square that the camera sees.
        surface: points in mm, centred on the middle of their bounding box.
    """

    label: str
    family: str
    field_mm: float
    surface: Surface


def field_of(surface: Surface, fields: Sequence[float] = FIELDS_MM) -> float:
    """Smallest field of view (mm) that the surface fits into however it is turned on the table.

    Raises:
        Unusable: it is larger than the largest.
    """
    x, y, z = (float(v) for v in surface.extents)
    needed = max(float(np.hypot(x, y)) * 0.95, float(np.hypot(y, z)))
    for field in fields:
        if needed <= field * FILL:
            return field
    raise Unusable(f"a part of {needed:.0f} mm fits no field of view", mend=f"at most {fields[-1] * FILL:.0f} mm")


def of_surface(label: str, family: str, surface: Surface, field_mm: float | None = None) -> Part:
    """A part from a surface: centred, with its field of view."""
    middle = (surface.points.max(axis=0) + surface.points.min(axis=0)) / 2
    centred = surface.moved(*(-middle))
    return Part(label, family, field_mm or field_of(centred), centred)


def build(model: Model) -> Part:
    """A part from its family's recipe, sampled as densely as its field of view needs.

    Raises:
        Unusable: larger than the largest field.
    """
    seed = zlib.crc32(model.label.encode())
    field = field_of(model.build(Sampler(seed, 0.0, least=48)))
    density = POINTS_PER_CELL * (CELLS / field) ** 2
    surface = model.build(Sampler(seed, density))
    if len(surface.points) > MOST_POINTS:  # sampled again, because leaving out points of a lattice draws stripes
        surface = model.build(Sampler(seed, density * MOST_POINTS / len(surface.points)))
    return of_surface(model.label, model.family, surface, field)


@lru_cache(maxsize=1)
def catalogue() -> tuple[Part, ...]:
    """Every parametric part that fits on the photo table, in a fixed order."""
    out = []
    for model in models():
        try:
            out.append(build(model))
        except Unusable:  # sizes at the end of a standard's table that no field of view takes in
            continue
    return tuple(out)


def silhouettes(part: Part) -> NDArray[np.bool_]:
    """What the part covers in the top, front and side view, at the scale of its pictures: (3, PIXELS, PIXELS)."""
    at = np.floor(part.surface.points * (PIXELS / part.field_mm) + PIXELS / 2).astype(np.intp).clip(0, PIXELS - 1)
    out = np.zeros((len(VIEWS), PIXELS, PIXELS), np.bool_)
    for view, (a, b) in enumerate(VIEWS):
        out[view, at[:, b], at[:, a]] = True
    return out


def grown(masks: NDArray[np.bool_], radius: float = LEAST_PX) -> NDArray[np.bool_]:
    """Masks (..., h, w) with every pixel added that lies nearer than `radius` pixels to a set one."""
    reach = int(np.ceil(radius))
    edges = [(0, 0)] * (masks.ndim - 2) + [(reach, reach)] * 2
    padded, out = np.pad(masks, edges), np.zeros_like(masks)
    height, width = masks.shape[-2:]
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dx * dx + dy * dy < radius * radius:
                out |= padded[..., reach + dy : reach + dy + height, reach + dx : reach + dx + width]
    return out


def alike(parts: Sequence[Part]) -> NDArray[np.bool_]:
    """Which parts can not be told apart: (n, n).

    Two parts are alike if in each of the three views the Hausdorff distance of their silhouettes, at the scale of
    the pictures, is below `LEAST_PX`: neither then has a pixel outside the other one grown by that much.
    """
    shapes = np.stack([silhouettes(part) for part in parts])
    wider = grown(shapes)
    same = np.ones((len(parts), len(parts)), np.bool_)
    for view in range(len(VIEWS)):
        inside = shapes[:, view].reshape(len(parts), -1).astype(np.float32)
        outside = (~wider[:, view]).reshape(len(parts), -1).astype(np.float32)
        sticks_out = inside @ outside.T > 0
        same &= ~(sticks_out | sticks_out.T)
    return same


def choose(count: int = 200, seed: int = 0, parts: Sequence[Part] | None = None) -> list[Part]:
    """Parts of which any two can be told apart (see `alike`), drawn in the order of the seed, sorted by label.

    Args:
        parts: from a library; default: the parametric catalogue.

    Raises:
        Unusable: fewer than `count` can be told apart.
    """
    pool = list(parts if parts is not None else catalogue())
    same = alike(pool)
    chosen: list[int] = []
    for index in np.random.default_rng([seed, 7]).permutation(len(pool)):
        if len(chosen) == count:
            break
        if not same[index, chosen].any():
            chosen.append(int(index))
    if len(chosen) < count:
        raise Unusable(f"only {len(chosen)} of {len(pool)} parts can be told apart", mend=f"ask for {len(chosen)}")
    return sorted((pool[i] for i in chosen), key=lambda part: part.label)
