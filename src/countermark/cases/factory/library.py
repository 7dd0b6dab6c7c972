"""Parts from a folder of VRML, STL or OBJ models: `--parts-library DIR`.

Every readable model becomes a part in the same form as the parametric ones. A model that can not be read is skipped
and counted with the reason; it never ends the run.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from countermark.cases.factory import _mesh
from countermark.cases.factory._mesh import Mesh
from countermark.cases.factory._obj import material_files, read_mtl, read_obj
from countermark.cases.factory._stl import read_stl
from countermark.cases.factory._vrml import read_vrml
from countermark.cases.factory.parts import CELLS, FIELDS_MM, MOST_POINTS, POINTS_PER_CELL, Part, field_of, of_surface
from countermark.errors import FormatRefused, Unusable

MAX_BYTES = 64 << 20
MAX_MATERIAL_BYTES = 1 << 20
MAX_FILES = 20_000
SUFFIXES = (".wrl", ".stl", ".obj")
# Electronic parts are smaller than screws: two closer fields beside the three of the parametric parts.
LIBRARY_FIELDS_MM = (4.0, 12.0, *FIELDS_MM)


@dataclass(frozen=True, slots=True)
class Library:
    """What a folder of models gave.

    Attributes:
        parts: every readable model. skipped: (path relative to the folder, reason) of every other model.
    """

    parts: tuple[Part, ...]
    skipped: tuple[tuple[str, str], ...]


def read(folder: Path) -> Library:
    """Read every model below a folder, in the order of their paths.

    Raises:
        Unusable: no folder, too many files, or nothing in it can be read.
    """
    if not folder.is_dir():
        raise Unusable(f"{folder} is not a folder of part models", mend="benchmarks/fetch_parts_library.sh makes one")
    parts, skipped = [], []
    labels: Counter[str] = Counter()
    for path in _models(folder):
        try:
            label = _label(path, labels)
            parts.append(_part(path, label, _slug(path.parent.name) or "parts"))
        except (FormatRefused, Unusable, OSError) as error:
            reason = (error.why or error.what) if isinstance(error, FormatRefused | Unusable) else str(error)
            skipped.append((path.relative_to(folder).as_posix(), reason))
    if not parts:
        raise Unusable(
            f"no part model below {folder} can be read", why=f"{len(skipped)} were skipped", mend="VRML 2, STL or OBJ"
        )
    return Library(tuple(parts), tuple(skipped))


def _models(folder: Path) -> Iterator[Path]:
    found = 0
    for here, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES):
                found += 1
                if found > MAX_FILES:
                    raise Unusable(f"more than {MAX_FILES} models below {folder}", mend="name a smaller folder")
                yield Path(here, name)


def _slug(text: str) -> str:
    """Letters, digits, dot, dash and underscore of ASCII, lower case, at most 80 of them."""
    plain = unicodedata.normalize("NFKD", text.removesuffix(".3dshapes")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._-]+", "-", plain.lower()).strip("-._")[:80]


def _label(path: Path, taken: Counter[str]) -> str:
    label = _slug(path.stem) or "part"
    taken[label] += 1
    return label if taken[label] == 1 else f"{label}-{taken[label]}"


def read_bounded(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The content of a regular file of at most `limit` bytes; symbolic links are not followed.

    Raises:
        FormatRefused: not a regular file, or too big. OSError: it can not be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > limit:
            raise _mesh.refuse(f"not a regular file of at most {limit} bytes")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _mesh.refuse(f"it grew beyond {limit} bytes while it was read")
    return data


def read_mesh(path: Path) -> Mesh:
    """The triangles of one model file, by its suffix.

    Raises:
        FormatRefused: malformed, over a limit, or of another kind. OSError: it can not be read.
    """
    data = read_bounded(path)
    suffix = path.suffix.lower()
    if suffix == ".wrl":
        return read_vrml(data)
    if suffix == ".stl":
        return read_stl(data)
    if suffix != ".obj":
        raise _mesh.refuse(f"{suffix or 'no suffix'}: not one of {', '.join(SUFFIXES)}")
    colours = {}
    for name in material_files(data):
        if "/" in name or "\\" in name or not (path.parent / name).is_file():
            continue  # only a file beside the model, never one elsewhere
        colours.update(read_mtl(read_bounded(path.parent / name, MAX_MATERIAL_BYTES)))
    return read_obj(data, colours)


def _part(path: Path, label: str, family: str) -> Part:
    mesh = read_mesh(path)
    coarse = _mesh.sample(mesh, 4000)
    field = field_of(coarse, LIBRARY_FIELDS_MM)
    wanted = 2 * _mesh.area(mesh) * POINTS_PER_CELL * (CELLS / field) ** 2
    surface = _mesh.sample(mesh, int(np.clip(wanted, 6000, 2 * MOST_POINTS)))
    return of_surface(label, family, surface, field)
