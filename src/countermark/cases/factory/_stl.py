"""A bounded reader of STL meshes, binary and ASCII. STL has no units and no colours: millimetres and grey are taken."""

from __future__ import annotations

import re

import numpy as np

from countermark.cases.factory._mesh import MAX_TRIANGLES, PLAIN, Mesh, corners, joined, refuse
from countermark.cases.factory._solids import Values

HEADER, RECORD = 84, 50
FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
VERTEX = re.compile(rb"vertex\s+(\S{1,40})\s+(\S{1,40})\s+(\S{1,40})")


def read_stl(data: bytes) -> Mesh:
    """Triangles of an STL file, in mm.

    A file is binary if its length is what the count in its header says; a binary header may begin with any word.

    Raises:
        FormatRefused: neither, over a limit, or without a surface.
    """
    count = int.from_bytes(data[80:HEADER], "little") if len(data) >= HEADER else -1
    if count >= 0 and len(data) == HEADER + RECORD * count:
        if count > MAX_TRIANGLES:
            raise refuse(f"{count} triangles; at most {MAX_TRIANGLES}")
        given = np.frombuffer(data, FACET, count, HEADER)["corners"]
        if not np.isfinite(given).all():  # one kind of NaN warns where it is widened
            raise refuse("a corner is no number")
        found: Values = given.astype(np.float64)
    elif data.lstrip()[:5].lower() == b"solid":
        found = _ascii(data)
    else:
        raise refuse(f"neither ASCII STL nor binary STL of {max(count, 0)} triangles: {len(data)} bytes")
    triangles = corners(found.reshape(-1, 3), np.arange(3 * len(found)).reshape(-1, 3))
    return joined([Mesh(triangles, np.tile(np.array(PLAIN, np.float32), (len(triangles), 1)))])


def _ascii(data: bytes) -> Values:
    if data.count(b"vertex") > 3 * MAX_TRIANGLES:
        raise refuse(f"more than {MAX_TRIANGLES} triangles")
    words = VERTEX.findall(data)
    if len(words) % 3 or b"endsolid" not in data:
        raise refuse(f"{len(words)} vertices, or no 'endsolid': the text was cut short")
    try:
        return np.array(words, dtype="S40").astype(np.float64).reshape(-1, 3, 3)
    except ValueError as error:
        raise refuse(f"not a number: {error}") from error
