"""`model/skops`: estimators as a tree of nodes: loaders of a list, types of the lists of names, arrays that are proven themselves.

Source: `skops/io` 0.16. Its loaders import what a node names before anybody is asked in some versions: CVE-2025-54412, CVE-2025-54413,
CVE-2025-54886. A node's own class and what its loader really builds may differ; both are looked at here.
"""

from __future__ import annotations

from typing import Any

from countermark.checks.model import _names, _streams
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.checks.model.keras import member_names
from countermark.finding import Finding, Where
from countermark.formats import json_text, zipped
from countermark.formats.limits import Malformed

ID = "model/skops"
_SCHEMA = "schema.json"
_PLAIN = {
    "DictNode": "builtins.dict collections.OrderedDict", "DefaultDictNode": "collections.defaultdict", "ListNode": "builtins.list",
    "TupleNode": "builtins.tuple", "SetNode": "builtins.set", "JsonNode": "builtins.str", "SliceNode": "builtins.slice",
    "BytesNode": "builtins.bytes", "BytearrayNode": "builtins.bytearray", "NdArrayNode": "numpy.ndarray numpy.matrix",
    "MaskedArrayNode": "numpy.ma.MaskedArray numpy.ma.core.MaskedArray", "DTypeNode": "numpy.dtype", "CachedNode": "",
    "RandomStateNode": "numpy.random.mtrand.RandomState", "RandomGeneratorNode": "numpy.random._generator.Generator",
    "_DictWithDeprecatedKeysNode": "sklearn.utils._bunch._DictWithDeprecatedKeys",
}  # fmt: skip
"""Loaders that build one type only; any other type is looked up in the lists of names."""
_NAMED = frozenset(
    {"ObjectNode", "TypeNode", "SparseMatrixNode", "TreeNode", "LossNode", "FunctionNode", "QuantileForestNode"}
)
_REFUSED = {"MethodNode": "CVE-2025-54412, CVE-2025-54886", "OperatorFuncNode": "CVE-2025-54413"}
_SCALARS = "numpy."
_ROLES = {
    "TypeNode": frozenset({"newobj", "reference"}), "FunctionNode": frozenset({"reference"}),
    "TreeNode": frozenset({"newobj", "reduce"}), "LossNode": frozenset({"newobj", "reduce"}),
    "SparseMatrixNode": frozenset({"newobj", "reduce", "build"}),
}  # fmt: skip
"""What a loader does with a type, as roles of the lists."""


def looks_at(file: ModelFile) -> bool:
    """A zip with a schema, by its name or by how the schema begins."""
    return _SCHEMA in member_names(file) and (file.extension == "skops" or b"__loader__" in _beginning(file))


def _beginning(file: ModelFile) -> bytes:
    try:
        member = next(m for m in zipped.read(file.source).members if m.name == _SCHEMA)
        return _streams.inflated(file.source, member)[:4096]
    except Malformed:
        return b""


def look(file: ModelFile) -> Look:
    """Account for every node and every member."""
    walk = _Walk(file)
    try:
        walk.read()
    except Malformed as error:
        said = refused(ID, "skops", file, error)
        walk.findings += said.findings
        walk.doubts.append(said.why)
    if walk.findings:
        return Look(ID, "skops", "refused", walk.findings[0].what, tuple(walk.findings))
    if walk.doubts:
        return Look(ID, "skops", "unproven", "; ".join(walk.doubts[:3]))
    return Look(
        ID, "skops", "proven", f"{walk.nodes} nodes, all of listed loaders and types", counts=(("nodes", walk.nodes),)
    )


class _Walk:
    def __init__(self, file: ModelFile) -> None:
        self._file = file
        self.findings: list[Finding] = []
        self.doubts: list[str] = []
        self.nodes = 0
        self._raw = b""
        self._used: set[str] = set()

    def read(self) -> None:
        members = {m.name: m for m in zipped.read(self._file.source).members}
        self._raw = _streams.inflated(self._file.source, members[_SCHEMA])
        for node in json_text.nodes(json_text.parse(self._raw, "skops-json")):
            if isinstance(node, dict) and "__loader__" in node:
                self._node(node)
        for name, member in members.items():
            if name != _SCHEMA and not name.endswith("/"):
                self._member(name, member)
        for name in sorted(self._used - set(members)):
            self._refuse(
                "skops-file", f"the file {name[:80]!r} is not in the archive", "a loader looks for it elsewhere", name
            )

    def _member(self, name: str, member: zipped.Member) -> None:
        if name not in self._used and name.endswith((".npy", ".npz", ".bin")):
            self.doubts.append(f"{name} belongs to no node")
        elif self._file.inside is None:
            self.doubts.append(f"{name}: too deep")
        elif not name.endswith(".bin"):  # bytes of BytesNode, which nothing reads as anything
            said = self._file.inside(f"{self._file.path}!{name}", _streams.content(self._file.source, member))
            self.findings += said.findings
            self.doubts += [f"{name}: {said.why}"] if said.answer == "unproven" or said.claims else []

    def _node(self, node: dict[str, Any]) -> None:
        self.nodes += 1
        loader, kind = node["__loader__"], f"{node.get('__module__', '')}.{node.get('__class__', '')}"
        if isinstance(node.get("file"), str):
            self._used.add(node["file"])
        if not isinstance(loader, str):
            self._refuse("skops-loader", "a loader that is no text", "readers disagree on it", "__loader__")
        elif loader in _REFUSED:
            why = f"it calls or looks up what the node names ({_REFUSED[loader]})"
            self._refuse("skops-loader", f"the loader {loader}", why, loader)
        elif loader in _PLAIN:
            self._plain(loader, kind, node)
        elif loader in _NAMED:
            self._typed(node)
        else:
            self.doubts.append(f"the loader {loader[:60]}, which no list has")

    def _plain(self, loader: str, kind: str, node: dict[str, Any]) -> None:
        listed = _PLAIN[loader].split()
        if loader == "JsonNode" and isinstance(node.get("content"), str):
            json_text.parse(node["content"].encode(), "skops-json")
        scalar = loader == "NdArrayNode" and kind.startswith(_SCALARS) and kind.count(".") == 1
        if listed and kind not in listed and not scalar:
            self._typed(node)

    def _typed(self, node: dict[str, Any]) -> None:
        """What a node names must stand on a list: as its class, and as what its content names beside it."""
        pairs = [(node.get("__module__"), node.get("__class__"))]
        content = node.get("content")
        if node["__loader__"] == "FunctionNode" and isinstance(content, dict):
            # Older versions build what the content names, newer ones what the node itself names.
            pairs.append((content.get("module_path"), content.get("function")))
        for module, name in pairs:
            if not isinstance(module, str) or not isinstance(name, str):
                self._refuse("skops-type", "a type that is no text", "readers disagree on it", "__class__")
            elif (entry := _names.allowed(module, name)) is None:
                self._unlisted(module, name)
            elif not entry.roles & _ROLES.get(node["__loader__"], frozenset({"newobj", "build"})):
                self.doubts.append(f"{module}.{name} in a role that no list gives it")

    def _unlisted(self, module: str, name: str) -> None:
        refusal = _names.refusal(module, name)
        if refusal is None:
            self.doubts.append(f"names {module[:80]}.{name[:80]}, which no list has")
        else:
            why = f"{refusal.why} (CVE-2025-54412) {refusal.advisory}".strip()
            self._refuse("skops-type", f"the name {module[:80]}.{name[:80]}", why, name)

    def _refuse(self, rule: str, what: str, why: str, word: str) -> None:
        if all(f.rule != rule or f.what != what for f in self.findings) and len(self.findings) < 100:
            where = Where(path=f"{self._file.path}!{_SCHEMA}", offset=max(0, self._raw.find(word.encode())))
            self.findings.append(
                Finding(ID, rule, "high", 1.0, what, where, why, "save the estimator again, or declare its types in the recipe",
                        "what the code would do; it was not run")
            )  # fmt: skip
