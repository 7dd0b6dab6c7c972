"""ONNX: a graph of named operators and tensors, walked without protobuf and without ONNX.

Source: `onnx.proto` and `IR.md` of the ONNX project; External Data as in `docs/ExternalData.md`.
What can hurt in an ONNX file is a custom operator and a path outside its folder; both are refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from countermark.formats._onnx_schema import SCALARS
from countermark.formats.limits import Malformed, ModelLimits, OverLimit, Unaccounted
from countermark.formats.protobuf import Field, Walker
from countermark.formats.source import Buffered
from countermark.sandbox.task import Source

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"})
RUNTIME_DOMAINS = frozenset({"com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"})
"""Domains whose operators ONNX Runtime has built in, without another library; other runtimes do not have them."""
REACHING = frozenset(
    {("com.microsoft", name) for name in ("PythonOp", "PythonOpGrad", "EPContext", "ATen", "ExternalGradient")}
)
"""Operators of those that call Python, or load what an execution provider compiled, from a path in the model."""
BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
"""TensorProto.DataType to bits of one element; strings (8) have none."""
_TYPED = {"float_data", "int32_data", "int64_data", "double_data", "uint64_data"}
_DEPTH = 64
_NATURAL = re.compile(r"0|[1-9][0-9]{0,18}")
_KEYS = {"location", "offset", "length", "checksum"}


@dataclass(frozen=True, slots=True)
class External:
    """Bytes of a tensor that lie in another file.

    Attributes:
        location: path relative to the model's folder, checked to stay inside. offset, length: its bytes;
            length None means to the end. needed: bytes that dtype and shape ask for. tensor: its name.
        at: where the model says so.
    """

    location: str
    offset: int
    length: int | None
    needed: int
    tensor: str
    at: int


@dataclass(slots=True)
class OnnxFacts:
    """What the whole file is made of.

    Attributes:
        ir_version: of the file. opsets: domain to version. operators: (domain, operator) to count.
        functions: (domain, name) of functions that the file defines itself. tensors, tensor_bytes: stored
            inside. external: stored outside. subgraphs: nested graphs. metadata: keys of free text.
    """

    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    operators: Counter[tuple[str, str]] = field(default_factory=Counter)
    functions: set[tuple[str, str]] = field(default_factory=set)
    tensors: int = 0
    tensor_bytes: int = 0
    external: list[External] = field(default_factory=list)
    subgraphs: int = 0
    metadata: list[str] = field(default_factory=list)
    first_seen: dict[tuple[str, str], int] = field(default_factory=dict)


def announces(head: bytes) -> bool:
    """True where the first bytes can be an ONNX model: field 1 (ir_version) holds a small number."""
    return len(head) > 2 and head[0] == 0x08 and 1 <= head[1] < 0x40 and head[2] in _SECOND_TAGS


_SECOND_TAGS = frozenset({0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72})


def read(source: Source, limits: ModelLimits | None = None, domains: frozenset[str] = STANDARD_DOMAINS) -> OnnxFacts:
    """Account for every byte of the model file.

    Args:
        source: the file. limits: its budgets. domains: operator domains that are allowed, beside functions
            that the file itself defines.

    Raises:
        Malformed: custom operators, paths that leave the folder, sizes that do not agree, broken wire format.
        Unaccounted: fields that this reader does not know. OverLimit: too deep or too large.
    """
    return _Reader(source, limits or ModelLimits()).model(source.size, domains)


class _Reader:
    def __init__(self, source: Source, limits: ModelLimits) -> None:
        self._walk = Walker(Buffered(source), limits.messages)
        self._limits = limits
        self._facts = OnnxFacts()

    def model(self, size: int, domains: frozenset[str]) -> OnnxFacts:
        graphs = 0
        for item in self._walk.fields("ModelProto", 0, size):
            match item.name:
                case "ir_version":
                    self._facts.ir_version = item.value
                case "graph":
                    graphs += 1
                    self._graph(item, 0)
                case "opset_import":
                    domain, version = self._opset(item)
                    self._facts.opsets[domain] = version
                case "functions":
                    self._function(item)
                case "metadata_props":
                    self._facts.metadata.append(self._pair(item)[0])
                case _:
                    self._other(item, 0)
        if graphs != 1 or self._facts.ir_version < 1:
            raise Malformed("onnx-model", f"{graphs} graphs, IR version {self._facts.ir_version}", offset=0)
        self._check_domains(domains)
        return self._facts

    def _check_domains(self, domains: frozenset[str]) -> None:
        facts, built_in = self._facts, ("", "", -1)
        for (domain, name), at in sorted(facts.first_seen.items(), key=lambda entry: entry[1]):
            if (domain, name) in facts.functions or (domain in domains and (domain, name) not in REACHING):
                continue
            if domain in RUNTIME_DOMAINS and (domain, name) not in REACHING:
                built_in = (domain, name, at) if built_in[2] < 0 else built_in
                continue
            raise Malformed(
                "onnx-custom-operator",
                f"operator {name[:80]!r} of domain {domain[:80]!r}",
                offset=at,
                why="a custom operator is code from another file that loads with the model",
                mend="export with standard operators, or let the recipe name the domain",
            )
        if built_in[2] >= 0:
            what = f"operator {built_in[1][:80]!r} of {built_in[0]}, which one runtime has built in"
            raise Unaccounted("onnx-runtime-operator", what, offset=built_in[2])

    def _graph(self, parent: Field, depth: int) -> None:
        if depth > self._limits.depth:
            raise OverLimit("depth", depth, self._limits.depth, offset=parent.begin)
        self._facts.subgraphs += depth > 0
        for item in self._walk.fields("GraphProto", parent.begin, parent.end):
            self._part(item, depth)

    def _part(self, item: Field, depth: int) -> None:
        """Any field that may hold nodes, tensors or graphs."""
        match item.type:
            case "NodeProto":
                self._node(item, depth)
            case "TensorProto":
                self._tensor(item)
            case "GraphProto":
                self._graph(item, depth + 1)
            case "AttributeProto" | "SparseTensorProto" | "TrainingInfoProto":
                for inner in self._walk.fields(item.type, item.begin, item.end):
                    self._part(inner, depth)
            case _:
                self._other(item, depth)

    def _other(self, item: Field, depth: int) -> None:
        if item.type in ("TrainingInfoProto", "AttributeProto"):
            self._part(item, depth)
        elif item.type not in SCALARS:
            self._walk.account(item.type, item.begin, item.end, _DEPTH)
        elif item.type == "string":
            self._walk.text(item)
        elif item.packed:
            self._walk.count(item)

    def _node(self, node: Field, depth: int) -> None:
        domain = name = ""
        for item in self._walk.fields("NodeProto", node.begin, node.end):
            if item.name == "op_type":
                name = self._walk.text(item)
            elif item.name == "domain":
                domain = self._walk.text(item)
            else:
                self._part(item, depth)
        if not name:
            raise Malformed("onnx-node", "a node without operator", offset=node.begin)
        self._facts.operators[domain, name] += 1
        self._facts.first_seen.setdefault((domain, name), node.begin)

    def _function(self, function: Field) -> None:
        domain = name = ""
        for item in self._walk.fields("FunctionProto", function.begin, function.end):
            if item.name == "name":
                name = self._walk.text(item)
            elif item.name == "domain":
                domain = self._walk.text(item)
            else:
                self._part(item, 1)
        if (domain, name) in self._facts.functions:
            raise Malformed("onnx-function", f"function {name[:80]!r} is defined twice", offset=function.begin)
        self._facts.functions.add((domain, name))

    def _opset(self, parent: Field) -> tuple[str, int]:
        domain, version = "", 0
        for item in self._walk.fields("OperatorSetIdProto", parent.begin, parent.end):
            if item.name == "domain":
                domain = self._walk.text(item)
            else:
                version = item.value
        if domain in self._facts.opsets:
            raise Malformed("onnx-opset", f"domain {domain[:80]!r} is imported twice", offset=parent.begin)
        return domain, version

    def _pair(self, parent: Field) -> tuple[str, str]:
        pair = {"key": "", "value": ""}
        for item in self._walk.fields("StringStringEntryProto", parent.begin, parent.end):
            pair[item.name] = self._walk.text(item)
        return pair["key"], pair["value"]

    def _tensor(self, parent: Field) -> None:
        tensor = _Tensor(parent.begin)
        for item in self._walk.fields("TensorProto", parent.begin, parent.end):
            match item.name:
                case "name":
                    tensor.name = self._walk.text(item)
                case "dims":
                    tensor.dims += self._dims(item, len(tensor.dims))
                case "data_type":
                    tensor.kind = item.value
                case "data_location":
                    tensor.outside = item.value == 1
                case "external_data":
                    tensor.add_pair(*self._pair(item), item.begin)
                case "raw_data":
                    tensor.raw = item.size
                case "segment":
                    raise Unaccounted("onnx-segment", "a tensor in segments is not read here", offset=item.begin)
                case "string_data":
                    tensor.strings += 1
                case typed if typed in _TYPED:
                    tensor.typed += self._walk.count(item)
                case _:
                    self._other(item, 0)
        self._take(tensor)

    def _dims(self, item: Field, have: int) -> list[int]:
        if item.size > 10 * self._limits.axes:
            raise OverLimit("axes", item.size, self._limits.axes, offset=item.begin)
        dims = self._walk.numbers(item)
        if have + len(dims) > self._limits.axes:
            raise OverLimit("axes", have + len(dims), self._limits.axes, offset=item.begin)
        if any(dim >= 1 << 63 for dim in dims):
            raise Malformed("onnx-shape", "a negative dimension", offset=item.begin)
        return dims

    def _take(self, tensor: _Tensor) -> None:
        facts = self._facts
        facts.tensors += 1
        if facts.tensors > self._limits.tensors:
            raise OverLimit("tensors", facts.tensors, self._limits.tensors, offset=tensor.at)
        needed = tensor.check()
        if tensor.outside:
            facts.external.append(tensor.external(needed))
        else:
            facts.tensor_bytes += needed


@dataclass(slots=True)
class _Tensor:
    """One TensorProto while it is read."""

    at: int
    name: str = ""
    kind: int = 0
    dims: list[int] = field(default_factory=list)
    raw: int | None = None
    typed: int = 0
    strings: int = 0
    outside: bool = False
    pairs: dict[str, str] = field(default_factory=dict)

    def wrong(self, rule: str, what: str) -> Malformed:
        """A refusal that names this tensor."""
        return Malformed(rule, f"tensor {self.name[:200]!r}: {what}", offset=self.at)

    def add_pair(self, key: str, value: str, at: int) -> None:
        """One entry of `external_data`.

        Raises:
            Unaccounted: an unknown key. Malformed: a key twice.
        """
        if key not in _KEYS:
            raise Unaccounted("onnx-external", f"external data has the key {key[:40]!r}", offset=at)
        if key in self.pairs:
            raise self.wrong("onnx-external", f"{key} stands twice")
        self.pairs[key] = value

    def check(self) -> int:
        """Compare the stored data with dtype and shape.

        Returns:
            bytes that dtype and shape ask for.

        Raises:
            Malformed: they disagree, or data stands in two places.
        """
        count = prod(self.dims)
        if self.kind == 8:
            if self.raw is not None or self.outside or self.typed or self.strings != count:
                raise self.wrong("onnx-size", f"{self.strings} texts where the shape needs {count}")
            return 0
        if self.kind not in BITS:
            raise self.wrong("onnx-dtype", f"data type {self.kind} does not exist")
        needed = (count * BITS[self.kind] + 7) // 8
        places = (self.raw is not None) + bool(self.typed) + self.outside
        if self.strings or places > 1 or (self.pairs and not self.outside):
            raise self.wrong("onnx-places", "its data stands in several places")
        if self.raw is not None and self.raw != needed:
            raise self.wrong("onnx-size", f"{self.raw} bytes where dtype and shape need {needed}")
        if self.raw is None and not self.outside and self.typed != self._typed_count(count):
            raise self.wrong("onnx-size", f"{self.typed} numbers where the shape needs {self._typed_count(count)}")
        return needed

    def _typed_count(self, count: int) -> int:
        if self.kind in (14, 15):  # complex numbers take two
            return 2 * count
        if BITS[self.kind] < 8:  # several to one byte, one byte to one number
            return (count * BITS[self.kind] + 7) // 8
        return count

    def external(self, needed: int) -> External:
        """Where its bytes lie.

        Raises:
            Malformed: the path could leave the folder, or the numbers are no numbers or disagree.
        """
        location = self.pairs.get("location", "")
        if not stays_inside(location):
            raise self.wrong("onnx-external-path", f"its data lies at {location[:200]!r}, outside the model's folder")
        numbers: dict[str, int | None] = {}
        for key in ("offset", "length"):
            text = self.pairs.get(key)
            if text is not None and not _NATURAL.fullmatch(text):
                raise self.wrong("onnx-external", f"{key} is {text[:40]!r}")
            numbers[key] = int(text) if text is not None else None
        length = numbers["length"]
        if length is not None and length != needed:
            raise self.wrong("onnx-size", f"{length} bytes outside where dtype and shape need {needed}")
        return External(location, numbers["offset"] or 0, length, needed, self.name, self.at)


def stays_inside(location: str) -> bool:
    """True for a relative, normal path with forward slashes that every system understands alike."""
    parts = location.split("/")
    plain = not any(c in location for c in "\\:\0") and location.isprintable()
    return plain and all(part not in ("", ".", "..") for part in parts) and len(location) <= 1024


def operators(facts: OnnxFacts) -> Iterator[tuple[str, str, int]]:
    """Domain, operator, count; sorted."""
    for (domain, name), count in sorted(facts.operators.items()):
        yield domain, name, count
