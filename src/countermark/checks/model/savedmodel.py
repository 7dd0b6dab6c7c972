"""`model/savedmodel`: operators of a list, files written and read by the saver alone, variables in the files beside it."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.model._check import Claim, Look, ModelFile, refused
from countermark.checks.model._lists import listed
from countermark.checks.model.hdf5 import configuration
from countermark.finding import Finding, Where
from countermark.formats import savedmodel, tensor_bundle
from countermark.formats.limits import Malformed
from countermark.formats.onnx import stays_inside

ID = "model/savedmodel"
_LIST = "tensorflow"
_READS = frozenset({"RestoreV2", "Restore", "RestoreSlice"})
_BESIDE = {"keras_metadata.pb": "SavedMetadata", "fingerprint.pb": "FingerprintDef"}
_FEW = 5


def looks_at(file: ModelFile) -> bool:
    """A saved model by its first bytes, unless its name says ONNX; what lies beside it by its name; an index by its end."""
    saved = savedmodel.announces(file.head) and file.extension != "onnx"
    return saved or _name(file) in (*_BESIDE, "saved_model.pb") or tensor_bundle.announces(file.source)


def look(file: ModelFile) -> Look:
    """Account for every byte."""
    if tensor_bundle.announces(file.source):
        return _index(file)
    message = _message(file)
    kind = {"SavedModel": "savedmodel", "GraphDef": "tensorflow graph"}.get(message, "savedmodel part")
    try:
        facts = savedmodel.read(file.source, message=message)
    except Malformed as error:
        if not savedmodel.announces(file.head) and _name(file) not in (*_BESIDE, "saved_model.pb"):
            return Look(ID, "unknown", "unproven", f"no graph of TensorFlow: {error.what}")  # anything is called .pb
        return refused(ID, kind, file, error)
    if message == "GraphDef":
        facts.roots |= facts.bodies.get(savedmodel.MAIN, {}).keys()
    findings, doubts = _configurations(file, facts)
    findings += [*_operators(file, facts), *_saver(file, facts), *_assets(file, facts)]
    doubts += _doubts(facts)
    nodes = sum(len(body) for body in facts.bodies.values())
    counts = (("nodes", nodes), ("functions", max(0, len(facts.bodies) - 1)), ("assets", len(facts.assets)))
    if findings:
        return Look(ID, kind, "refused", findings[0].what, tuple(findings), counts=counts)
    if doubts:
        return Look(ID, kind, "unproven", "; ".join(doubts[:3]), counts=counts)
    return Look(
        ID,
        kind,
        "proven",
        f"{nodes} nodes, {len(facts.bodies)} graphs and functions, all operators listed",
        counts=counts,
    )


def _message(file: ModelFile) -> str:
    """What message the file is: a graph alone, as frozen graphs are, begins with a node."""
    plain = file.head[:1] == b"\x0a" and _name(file) != "saved_model.pb"
    return _BESIDE.get(_name(file), "GraphDef" if plain else "SavedModel")


def _name(file: ModelFile) -> str:
    return file.path.rpartition("!")[2].rpartition("/")[2].lower()


def _finding(file: ModelFile, rule: str, what: str, at: int, why: str) -> Finding:
    return Finding(
        ID, rule, "high", 1.0, what, Where(path=file.path, offset=at), why,
        "export the model again with operators that only compute", "what the operator's inputs would be when it runs",
    )  # fmt: skip


def _nodes(facts: savedmodel.SavedModelFacts) -> Iterator[savedmodel.Node]:
    for body in facts.bodies.values():
        yield from body.values()


def _operators(file: ModelFile, facts: savedmodel.SavedModelFacts) -> list[Finding]:
    """Operators that are refused wherever they stand; the first of each."""
    found: dict[str, int] = {}
    for node in _nodes(facts):
        if node.operator in listed(_LIST, "refused-operator"):
            found.setdefault(node.operator, node.at)
    why = "it opens files or connections, writes, or calls Python, when the graph runs"
    return [_finding(file, "savedmodel-operator", f"the operator {name}", at, why) for name, at in found.items()]


def _saver(file: ModelFile, facts: savedmodel.SavedModelFacts) -> list[Finding]:
    """Operators of the saver where something other than the saver runs them."""
    out: dict[str, int] = {}
    ways = (
        (savedmodel.reached(facts, facts.roots, facts.functions), listed(_LIST, "saver")),
        (savedmodel.reached(facts, {facts.restore}, set()), listed(_LIST, "saver") - _READS - {"ShardedFilename"}),
    )
    for seen, names in ways:
        for body, name in seen:
            node = facts.bodies[body][name]
            if node.operator in names:
                out[node.operator] = min(node.at, out.get(node.operator, node.at))
    why = "it reads or writes a file whenever the model is loaded or asked, not only when it is saved"
    return [
        _finding(file, "savedmodel-saver", f"{name} outside the saver", at, why) for name, at in sorted(out.items())
    ]


def _assets(file: ModelFile, facts: savedmodel.SavedModelFacts) -> list[Finding]:
    why = "the graph reads a file outside the model's folder"
    return [
        _finding(file, "savedmodel-asset", f"the asset {name[:120]!r}", at, why)
        for name, at in facts.assets
        if not stays_inside(name)
    ]


def _configurations(file: ModelFile, facts: savedmodel.SavedModelFacts) -> tuple[list[Finding], list[str]]:
    """What Keras keeps beside its objects: a class that it does not know is made anew from the graph, without its code."""
    findings, doubts = [], []
    for text, at in facts.metadata:
        if text.lstrip().startswith("{"):
            found, unknown = configuration(ID, file.path, text.encode(), at)
            findings += found
            doubts += [what for what in unknown if not what.startswith("names ")]
    return findings, doubts


def _doubts(facts: savedmodel.SavedModelFacts) -> list[str]:
    known = listed(_LIST, "operator") | listed(_LIST, "saver") | listed(_LIST, "refused-operator") | facts.bodies.keys()
    unknown = sorted({node.operator for node in _nodes(facts)} - known)
    custom = sorted(name for name in facts.objects if name and not name.startswith(("tf.", "keras.", "keras>")))
    said = [f"the operators {', '.join(unknown[:_FEW])}, which no list has"] if unknown else []
    return said + ([f"objects registered as {', '.join(custom[:_FEW])[:120]}"] if custom else [])


def _index(file: ModelFile) -> Look:
    try:
        facts = tensor_bundle.read(file.source)
    except Malformed as error:
        return refused(ID, "tensor bundle", file, error)
    stem = file.path.removesuffix(".index")
    if stem == file.path:
        return Look(ID, "tensor bundle", "unproven", "an index whose name does not tell its data files")
    claims = tuple(
        Claim(f"{stem}.data-{e.shard:05}-of-{facts.shards:05}", e.offset, e.size, e.name, e.at) for e in facts.entries
    )
    size = sum(e.size for e in facts.entries)
    why = f"{len(facts.entries)} tensors, {size} bytes in {facts.shards} data files"
    return Look(
        ID, "tensor bundle", "proven", why, claims=claims, counts=(("tensors", len(claims)), ("parameter bytes", size))
    )
