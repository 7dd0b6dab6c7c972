"""SavedModel of TensorFlow: its graph, its function library and its objects, walked without protobuf and without TensorFlow.

Source: the `.proto` files of TensorFlow 2.20, see `_tensorflow_schema`. What runs is what a signature, a concrete function, an
initialiser or the restore operator reaches; that a name is only there to be run by nobody is not enough for operators that are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from countermark.formats._onnx_schema import SCALARS
from countermark.formats._tensorflow_schema import MESSAGES
from countermark.formats.limits import Malformed, ModelLimits, OverLimit, Unaccounted
from countermark.formats.protobuf import Field, Walker
from countermark.formats.source import Buffered
from countermark.sandbox.task import Source

MAIN = ""
"""Name of the body that is no function."""


@dataclass(slots=True)
class Node:
    """One node of a graph: operator, inputs as node names, functions that its attributes name, where it stands."""

    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    at: int = 0


@dataclass(slots=True)
class SavedModelFacts:
    """What the whole file is made of.

    Attributes:
        bodies: name of a function, or ``""`` for the graph itself, to its nodes by name. roots: nodes of the graph that a signature or a
            collection names. functions: that an object names. restore: node that a loader runs to fill the variables.
        assets: file names with their place. metadata: texts of Keras with their place. objects: registered names of classes.
    """

    bodies: dict[str, dict[str, Node]] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    restore: str = ""
    assets: list[tuple[str, int]] = field(default_factory=list)
    metadata: list[tuple[str, int]] = field(default_factory=list)
    objects: set[str] = field(default_factory=set)


def announces(head: bytes) -> bool:
    """True where schema version 1 is followed by a graph, as no other message that is read here begins."""
    return head[:3] == b"\x08\x01\x12"


def read(source: Source, limits: ModelLimits | None = None, message: str = "SavedModel") -> SavedModelFacts:
    """Account for every byte.

    Args:
        message: ``SavedModel``, ``SavedMetadata`` (`keras_metadata.pb`) or ``FingerprintDef`` (`fingerprint.pb`).

    Raises:
        Malformed: broken wire format, or a name twice. Unaccounted: a field that is not known. OverLimit: too many messages, too deep.
    """
    return _Reader(source, limits or ModelLimits()).read(message)


class _Reader:
    def __init__(self, source: Source, limits: ModelLimits) -> None:
        file = Buffered(source)
        self._walk = Walker(file, limits.messages, MESSAGES, "savedmodel")
        self._size = file.size
        self._facts = SavedModelFacts()
        self._graphs = 0
        self._body = MAIN

    def read(self, message: str) -> SavedModelFacts:
        self._visit(message, 0, self._size, 64)
        if message == "SavedModel" and self._graphs != 1:
            raise Malformed("savedmodel-graphs", "no graph", offset=0)
        return self._facts

    def _visit(self, message: str, begin: int, end: int, depth: int) -> None:
        """Walk a message; those that mean something are taken, all others accounted for."""
        if depth <= 0:
            raise OverLimit("depth", 64, 64, offset=begin)
        for item in self._walk.fields(message, begin, end):
            taker = getattr(self, f"_{item.type.replace('.', '_').lower()}", None) if item.type not in SCALARS else None
            if taker is not None:
                taker(item, depth - 1)
            elif item.type not in SCALARS:
                self._visit(item.type, item.begin, item.end, depth - 1)
            elif item.type == "string":
                self._text(message, item)
            elif item.packed:
                self._walk.count(item)

    def _text(self, message: str, item: Field) -> None:
        value = self._walk.text(item)
        facts = self._facts
        if message == "AssetFileDef":
            facts.assets.append((value, item.begin))
        elif item.name == "metadata":
            facts.metadata.append((value, item.begin))
        elif message == "SavedObject" and item.name == "registered_name":
            facts.objects.add(value)
        elif message in ("SavedFunction", "SavedBareConcreteFunction") and "concrete_function" in item.name:
            facts.functions.add(value)
        elif message == "SaverDef" and item.name == "restore_op_name":
            facts.restore = node_name(value)
        elif message in ("TensorInfo", "NodeList", "CooSparse"):
            facts.roots.add(node_name(value))

    def _metagraphdef(self, item: Field, depth: int) -> None:
        self._graphs += 1
        if self._graphs > 1:
            raise Unaccounted("savedmodel-graphs", "several graphs, of which loaders choose by tags", offset=item.begin)
        self._visit(item.type, item.begin, item.end, depth)

    def _functiondef(self, item: Field, depth: int) -> None:
        name = ""
        for part in self._walk.fields("FunctionDef", item.begin, item.end):
            if part.name == "signature":
                name = next(
                    (self._walk.text(p) for p in self._walk.fields("OpDef", part.begin, part.end) if p.name == "name"),
                    "",
                )
        if not name or name in self._facts.bodies:
            raise Malformed(
                "savedmodel-function", f"function {name[:80]!r} has no name, or stands twice", offset=item.begin
            )
        self._body = name
        self._facts.bodies[name] = {}
        self._visit(item.type, item.begin, item.end, depth)
        self._body = MAIN

    def _map_savedconcretefunction(self, item: Field, depth: int) -> None:
        for part in self._walk.fields(item.type, item.begin, item.end):
            if part.name == "key":
                self._facts.functions.add(self._walk.text(part))
            else:
                self._visit(part.type, part.begin, part.end, depth)

    def _nodedef(self, item: Field, depth: int) -> None:
        node, name = Node(at=item.begin), ""
        for part in self._walk.fields("NodeDef", item.begin, item.end):
            if part.name == "name":
                name = self._walk.text(part)
            elif part.name == "op":
                node.operator = self._walk.text(part)
            elif part.name == "input":
                node.inputs.append(node_name(self._walk.text(part)))
            elif part.name == "attr":
                self._calls(part.type, part.begin, part.end, depth, node)
            elif part.type not in SCALARS:
                self._visit(part.type, part.begin, part.end, depth)
        body = self._facts.bodies.setdefault(self._body, {})
        if not name or not node.operator or name in body:
            raise Malformed(
                "savedmodel-node", f"node {name[:80]!r} has no name or operator, or stands twice", offset=item.begin
            )
        body[name] = node

    def _calls(self, message: str, begin: int, end: int, depth: int, node: Node) -> None:
        """Walk an attribute for the functions that it names."""
        if depth <= 0:
            raise OverLimit("depth", 64, 64, offset=begin)
        for item in self._walk.fields(message, begin, end):
            if item.type not in SCALARS:
                self._calls(item.type, item.begin, item.end, depth - 1, node)
            elif message == "NameAttrList":
                node.calls.append(self._walk.text(item))
            elif item.packed:
                self._walk.count(item)


def node_name(text: str) -> str:
    """Name of the node that an input or a tensor belongs to."""
    return text.removeprefix("^").partition(":")[0]


def reached(facts: SavedModelFacts, roots: set[str], functions: set[str]) -> set[tuple[str, str]]:
    """Bodies and nodes that run when nodes of the graph are asked for, or functions are called.

    Args:
        roots: nodes of the graph. functions: names of functions.

    Returns:
        (body, node name) of each.
    """
    seen: set[tuple[str, str]] = set()
    called = set(functions)
    todo = [(MAIN, name) for name in roots] + [(f, n) for f in functions for n in facts.bodies.get(f, {})]
    while todo:
        body, name = todo.pop()
        node = facts.bodies.get(body, {}).get(name)
        if node is None or (body, name) in seen:
            continue
        seen.add((body, name))
        todo += [(body, before) for before in node.inputs]
        for function in (*node.calls, node.operator):
            if function not in called and function != MAIN:
                called.add(function)
                todo += [(function, inner) for inner in facts.bodies.get(function, {})]
    return seen
