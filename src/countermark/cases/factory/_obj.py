"""A bounded reader of Wavefront OBJ meshes: vertices, polygons, and diffuse colours from the material file beside."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from countermark.cases.factory._mesh import MAX_TRIANGLES, PLAIN, Mesh, corners, fan, joined, refuse
from countermark.cases.factory._solids import Colour

MAX_VERTICES = 3 * MAX_TRIANGLES
MAX_CORNERS = 1000


@dataclass(slots=True)
class _Scene:
    """What was read so far; `faces` holds the vertex numbers of each colour, polygons ended by -1."""

    vertices: list[tuple[float, float, float]] = field(default_factory=list)
    faces: dict[str, list[int]] = field(default_factory=dict)
    material: str = ""


def read_mtl(data: bytes) -> dict[str, Colour]:
    """Diffuse colours (Kd) of a material file by name; lines that can not be read are left out."""
    out: dict[str, Colour] = {}
    name = ""
    for line in data.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "newmtl":
            name = words[1]
        elif len(words) >= 4 and words[0] == "Kd":
            red, green, blue = (min(max(v, 0.0), 1.0) for v in _floats(words[1:4]))
            out[name] = (red, green, blue)
    return out


def material_files(data: bytes) -> list[str]:
    """Names of the material files that an OBJ file mentions (at most 16)."""
    lines = (
        line.split(maxsplit=1) for line in data.decode("utf-8", "replace").splitlines() if line.startswith("mtllib ")
    )
    return [words[1].strip() for words in lines if len(words) == 2][:16]


def read_obj(data: bytes, materials: dict[str, Colour] | None = None) -> Mesh:
    """Triangles of an OBJ file, in mm.

    Args:
        materials: diffuse colours by name; grey where a face names none of them.

    Raises:
        FormatRefused: malformed, over a limit, or without a surface.
    """
    scene = _Scene()
    for line in data.decode("utf-8", "replace").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            _vertex(scene, words[1:4])
        elif words[0] == "f":
            _face(scene, words[1:])
        elif words[0] == "usemtl":
            scene.material = words[1] if len(words) > 1 else ""
    points = np.array(scene.vertices, dtype=np.float64).reshape(-1, 3)
    meshes = []
    for name, faces in scene.faces.items():
        triangles = corners(points, fan(np.array(faces, dtype=np.int64)))
        colour = (materials or {}).get(name, PLAIN)
        meshes.append(Mesh(triangles, np.tile(np.array(colour, np.float32), (len(triangles), 1))))
    return joined(meshes)


def _floats(words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise refuse(f"not a number: {error}") from error


def _vertex(scene: _Scene, words: list[str]) -> None:
    if len(scene.vertices) >= MAX_VERTICES or len(words) < 3:
        raise refuse(f"a vertex without three coordinates, or more than {MAX_VERTICES}")
    x, y, z = _floats(words)
    scene.vertices.append((x, y, z))


def _face(scene: _Scene, words: list[str]) -> None:
    """A polygon; numbers count from 1, negative ones back from the newest vertex."""
    if not 3 <= len(words) <= MAX_CORNERS:
        raise refuse(f"a face of {len(words)} corners; 3 to {MAX_CORNERS}")
    held = scene.faces.setdefault(scene.material, [])
    for word in words:
        try:
            number = int(word.split("/", 1)[0])
        except ValueError as error:
            raise refuse(f"not a vertex number: {word[:40]!r}") from error
        index = number - 1 if number > 0 else len(scene.vertices) + number
        if not 0 <= index < len(scene.vertices):
            raise refuse(f"a face names vertex {number} of {len(scene.vertices)}")
        held.append(index)
    held.append(-1)
