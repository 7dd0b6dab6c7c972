"""`model/onnx`: standard operators only, sizes that agree, data inside the file or beside it."""

from __future__ import annotations

import posixpath

from countermark.checks.model._check import Claim, Look, ModelFile, refused
from countermark.formats import onnx
from countermark.formats.limits import Malformed

ID = "model/onnx"


def looks_at(file: ModelFile) -> bool:
    """The first field of a model."""
    return onnx.announces(file.head)


def look(file: ModelFile) -> Look:
    """Account for every byte; data outside the file becomes claims, which `inspect` settles."""
    try:
        facts = onnx.read(file.source, domains=onnx.STANDARD_DOMAINS.union(file.declared.domains))
    except Malformed as error:
        if file.extension != "onnx" and error.rule.startswith("onnx-"):
            # Two bytes announce ONNX; without its name a file that breaks off at once may be anything.
            return Look(ID, "unknown", "unproven", f"not ONNX after all: {error.what}")
        return refused(ID, "onnx", file, error, cannot_tell="whether the operator's library is installed anywhere")
    folder = posixpath.dirname(file.path)
    claims = tuple(
        Claim(posixpath.join(folder, e.location), e.offset, e.needed, e.tensor[:200], e.at) for e in facts.external
    )
    operators = sum(facts.operators.values())
    why = f"{operators} nodes, {len(facts.operators)} operators, {facts.tensors} tensors"
    counts = (
        ("nodes", operators), ("tensors", facts.tensors), ("parameter bytes", facts.tensor_bytes),
        ("external tensors", len(facts.external)),
    )  # fmt: skip
    return Look(ID, "onnx", "proven", why, claims=claims, counts=counts)
