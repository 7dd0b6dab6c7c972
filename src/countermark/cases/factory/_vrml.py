"""A bounded reader of VRML97 (ISO/IEC 14772-1) scenes: indexed face sets with materials, under transforms.

Read: ``Shape``, ``Appearance``, ``Material`` (diffuseColor), ``IndexedFaceSet``, ``Coordinate``, ``Transform``, grouping
nodes, and ``DEF``/``USE``. Skipped: every other node. Refused: ``PROTO``, ``EXTERNPROTO``, ``ROUTE``, ``Script`` and ``Inline``,
which would need code or other files. Sizes, counts and depth are checked before anything is allocated for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from countermark.cases.factory._mesh import MAX_TRIANGLES, PLAIN, Indices, Mesh, corners, fan, joined, refuse
from countermark.cases.factory._solids import Colour, Values

MAX_NODES = 200_000
MAX_VISITS = 40_000  # of nodes once every USE is followed
MAX_DEPTH = 40
MAX_NUMBERS = 6_000_000
MM_PER_UNIT = 2.54  # KiCad's convention: a unit is a tenth of an inch
MAGIC = b"#VRML V2.0"
REFUSED = frozenset({"PROTO", "EXTERNPROTO", "ROUTE", "Script", "Inline"})
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,{}\[\]"]+')
COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|#[^\n\r]*')
NUMERIC = re.compile(r"[-+]?(?:\d|\.\d)")
CONSTANTS = frozenset({"TRUE", "FALSE", "NULL"})


@dataclass(slots=True)
class Node:
    """One node of the scene: its type, nodes in its fields, and its other values as text."""

    kind: str
    nodes: dict[str, list[Node]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Recursive descent over tokens, without knowledge of any node type."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._count = text, 0, 0
        self._ahead: re.Match[str] | None = None  # the token at `_at`, once somebody looked
        self._named: dict[str, Node] = {}

    def scene(self) -> list[Node]:
        """All nodes at the top."""
        out = []
        while self._peek():
            out.append(self._node(0))
        return out

    def _peek(self) -> str:
        if self._ahead is None:
            self._ahead = TOKEN.search(self._text, self._at)
        return self._ahead.group() if self._ahead else ""

    def _take(self) -> str:
        token = self._peek()
        if self._ahead is None:
            raise refuse("the scene ends in the middle of a node")
        self._at, self._ahead = self._ahead.end(), None
        return token

    def _expect(self, token: str) -> None:
        seen = self._take()
        if seen != token:
            raise refuse(f"expected {token!r}, found {seen[:40]!r}")

    def _node(self, depth: int) -> Node:
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            raise refuse(f"more than {MAX_NODES} nodes or deeper than {MAX_DEPTH}")
        word = self._take()
        if word == "USE":
            name = self._take()
            if name not in self._named:
                raise refuse(f"USE of {name[:40]!r}, which nothing defines")
            return self._named[name]
        name = self._take() if word == "DEF" else ""
        node = Node(self._take() if name else word)
        if node.kind in REFUSED:
            raise refuse(f"{node.kind} would need code or other files")
        self._expect("{")
        while (key := self._take()) != "}":
            self._field(node, key, depth + 1)
        if name:  # known only once it is complete, so that no node can contain itself
            self._named[name] = node
        return node

    def _field(self, node: Node, key: str, depth: int) -> None:
        ahead = self._peek()
        if ahead == "[":
            self._list(node, key, depth)
        elif ahead in CONSTANTS or ahead.startswith('"') or NUMERIC.match(ahead):
            node.values[key] = self._scalars()
        else:
            node.nodes[key] = [self._node(depth)]

    def _list(self, node: Node, key: str, depth: int) -> None:
        self._expect("[")
        close = self._text.find("]", self._at)
        inside = self._text[self._at : close]
        if close < 0:
            raise refuse(f"the list of {key[:40]!r} never ends")
        if "{" not in inside and "USE" not in inside:
            node.values[key], self._at, self._ahead = inside, close + 1, None
            return
        node.nodes[key] = []
        while self._peek() != "]":
            node.nodes[key].append(self._node(depth))
        self._expect("]")

    def _scalars(self) -> str:
        out = [self._take()]
        while NUMERIC.match(self._peek()):
            out.append(self._take())
        return " ".join(out)


def numbers(text: str, per_row: int) -> Values:
    """The numbers of a field as rows.

    Raises:
        FormatRefused: no numbers, too many, or not a multiple of the row.
    """
    if len(text) > 40 * MAX_NUMBERS:
        raise refuse("a list of numbers is too long")
    words = text.replace(",", " ").split()
    if len(words) > MAX_NUMBERS or len(words) % per_row:
        raise refuse(f"{len(words)} numbers where rows of {per_row} are due")
    try:
        return np.array([float(word) for word in words], dtype=np.float64).reshape(-1, per_row)
    except ValueError as error:
        raise refuse(f"not a number: {error}") from error


def _row(text: str, size: int) -> Values:
    """The one row of a field that holds a vector."""
    rows = numbers(text, size)
    if len(rows) != 1 or not np.isfinite(rows).all():
        raise refuse(f"{rows.size} numbers where {size} finite ones are due")
    return np.asarray(rows[0])


def read_vrml(data: bytes) -> Mesh:
    """Triangles of a VRML 2 scene, in mm.

    Raises:
        FormatRefused: not VRML 2, malformed, over a limit, or without a surface.
    """
    if not data.startswith(MAGIC):
        raise refuse("it does not start with '#VRML V2.0'")
    text = COMMENT.sub(r"\1", data.decode("utf-8", "replace"))
    pieces = [
        piece for shape, matrix in _shapes(_Reader(text).scene(), np.eye(4)) if (piece := _face_set(shape, matrix))
    ]
    return _whole(pieces)


def _shapes(nodes: list[Node], matrix: Values) -> Iterator[tuple[Node, Values]]:
    """Every shape below these nodes with its transform; a node that is used twice comes twice."""
    left = MAX_VISITS
    waiting = [(node, matrix) for node in reversed(nodes)]
    while waiting:
        node, outer = waiting.pop()
        left -= 1
        if left < 0:  # a few lines of USE within USE make more nodes than there are atoms
            raise refuse(f"more than {MAX_VISITS} nodes once every USE is followed")
        if node.kind == "Shape":
            yield node, outer
            continue
        inner = outer @ _transform(node) if node.kind == "Transform" else outer
        below = [child for children in node.nodes.values() for child in children]
        if len(waiting) + len(below) > MAX_VISITS:
            raise refuse(f"more than {MAX_VISITS} nodes once every USE is followed")
        waiting.extend((child, inner) for child in reversed(below))


def _transform(node: Node) -> Values:
    """A Transform's matrix: T * C * R * S * -C (ISO/IEC 14772-1, 6.52, without scaleOrientation)."""

    def of(key: str, default: str, size: int) -> Values:
        return _row(node.values.get(key, default), size)

    x, y, z, angle = of("rotation", "0 0 1 0", 4)
    axis = np.array([x, y, z]) / max(float(np.linalg.norm([x, y, z])), 1e-12)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    centre, out = of("center", "0 0 0", 3), np.eye(4)
    out[:3, :3] = turn * of("scale", "1 1 1", 3)
    out[:3, 3] = of("translation", "0 0 0", 3) + centre - out[:3, :3] @ centre
    return np.asarray(out)


Piece = tuple[Values, Indices, Colour]


def _face_set(shape: Node, matrix: Values) -> Piece | None:
    """Placed points, face indices and colour of a shape's indexed face set, if it has one with faces."""
    geometry = shape.nodes.get("geometry", [])
    if not geometry or geometry[0].kind != "IndexedFaceSet":
        return None
    coord = geometry[0].nodes.get("coord", [])
    points = numbers(coord[0].values.get("point", "") if coord else "", 3)
    index = numbers(geometry[0].values.get("coordIndex", ""), 1)[:, 0]
    if not len(index):
        return None
    if not (index.min() >= -1 and index.max() < len(points) and (index == np.floor(index)).all()):
        raise refuse(f"a face names a vertex that is none of {len(points)}")
    faces = index.astype(np.int64)
    return points @ matrix[:3, :3].T + matrix[:3, 3], faces if faces[-1] == -1 else np.append(faces, -1), _colour(shape)


def _whole(pieces: list[Piece]) -> Mesh:
    """All pieces as one mesh: one pass over one list of points is many times faster than a pass for each shape."""
    if sum(len(faces) for _, faces, _ in pieces) > 4 * MAX_TRIANGLES:  # a small file can USE a big shape many times
        raise refuse(f"more than {MAX_TRIANGLES} triangles")
    if not pieces:
        return joined([])
    before = np.cumsum([0, *(len(points) for points, _, _ in pieces)])
    faces = np.concatenate(
        [np.where(own >= 0, own + shift, -1) for (_, own, _), shift in zip(pieces, before, strict=False)]
    )
    triangles = fan(faces)
    owner = np.searchsorted(before, triangles[:, 0], side="right") - 1
    colours = np.array([colour for _, _, colour in pieces], np.float32)[owner]
    points = np.concatenate([points for points, _, _ in pieces]) * MM_PER_UNIT
    return joined([Mesh(corners(points, triangles), colours)])


def _colour(shape: Node) -> Colour:
    for appearance in shape.nodes.get("appearance", []):
        for material in appearance.nodes.get("material", []):
            if "diffuseColor" in material.values:
                red, green, blue = _row(material.values["diffuseColor"], 3).clip(0, 1)
                return float(red), float(green), float(blue)
    return PLAIN
