"""Parts: which exist, how large they look, and which of them can be told apart.

The camera stands at a fixed, calibrated distance, so that sizes differ in the picture. Each part is
photographed with one of three fields of view, recorded in the contract.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from countermark.cases.factory._families import models
from countermark.cases.factory._solids import Sampler, Surface
from countermark.errors import Unusable

FIELDS_MM = (40.0, 120.0, 400.0)
PIXELS = 64
FILL = 0.92
LEAST_PX = 3.0
POINTS = 14_000


@dataclass(frozen=True, slots=True)
class Part:
    """One (type, size) that suppliers photograph.

    Attributes:
        label: class name. family: what kind it is. field_mm: side of the square that the camera sees.
        surface: points in mm, centred.
    """

    label: str
    family: str
    field_mm: float
    surface: Surface


def field_of(extent_mm: float) -> float:
    """Smallest field of view that the part fits into.

    Raises:
        Unusable: it is larger than the largest.
    """
    for field in FIELDS_MM:
        if extent_mm <= field * FILL:
            return field
    raise Unusable(f"a part of {extent_mm:.0f} mm fits into no field of view", mend=f"at most {FIELDS_MM[-1] * FILL:.0f} mm")


def of_surface(label: str, family: str, surface: Surface, field_mm: float | None = None) -> Part:
    """A part from a surface: centred, thinned to `POINTS`, with its field of view."""
    middle = (surface.points.max(axis=0) + surface.points.min(axis=0)) / 2
    centred = surface.moved(*(-middle))
    if len(centred.points) > POINTS:
        keep = np.random.default_rng(zlib.crc32(label.encode())).choice(len(centred.points), POINTS, replace=False)
        centred = Surface(centred.points[keep], centred.normals[keep], centred.colours[keep])
    diagonal = float(np.linalg.norm(centred.extents[:2]))
    return Part(label, family, field_mm or field_of(max(diagonal, float(centred.extents.max()))), centred)


@lru_cache(maxsize=1)
def catalogue() -> tuple[Part, ...]:
    """Every parametric part that fits a field of view, in a fixed order."""
    out = []
    for model in models():
        seed = zlib.crc32(model.label.encode())
        size = float(np.linalg.norm(model.build(Sampler(seed, 0.0)).extents))
        area = max(size * size, 1.0)
        surface = model.build(Sampler(seed, POINTS * 0.9 / area))
        if float(np.linalg.norm(surface.extents[:2])) <= FIELDS_MM[-1] * FILL:
            out.append(of_surface(model.label, model.family, surface))
    return tuple(out)


def outline_px(part: Part) -> NDArray[np.float64]:
    """Width and height of the silhouette in the three axis views, in pixels at the part's field: (3, 2).

    Widths are taken between the 0.5 and 99.5 percentiles, so that a stray point does not decide.
    """
    low, high = np.percentile(part.surface.points, [0.5, 99.5], axis=0)
    x, y, z = (high - low) * PIXELS / part.field_mm
    return np.array([[x, y], [x, z], [y, z]])


def kind(part: Part) -> str:
    """What the part is, without its size: ``hex-bolt`` of ``hex-bolt-m6x24``."""
    return part.label.rsplit("-", 1)[0]


def choose(count: int = 200, seed: int = 0, parts: Sequence[Part] | None = None) -> list[Part]:
    """Parts that can all be told apart: of one kind, some axis view differs by `LEAST_PX` pixels or more.

    Args:
        parts: from a library; default: the parametric catalogue.

    Raises:
        Unusable: fewer than `count` can be told apart.
    """
    pool = list(parts if parts is not None else catalogue())
    order = np.random.default_rng(seed).permutation(len(pool))
    chosen: list[Part] = []
    seen: dict[str, list[NDArray[np.float64]]] = {}
    for index in order:
        if len(chosen) == count:
            break
        outline, alike = outline_px(pool[index]), seen.setdefault(kind(pool[index]), [])
        if all(np.abs(outline - other).max() >= LEAST_PX for other in alike):
            chosen.append(pool[index])
            alike.append(outline)
    if len(chosen) < count:
        raise Unusable(f"only {len(chosen)} of {len(pool)} parts can be told apart", mend=f"ask for {len(chosen)}")
    return sorted(chosen, key=lambda p: p.label)
