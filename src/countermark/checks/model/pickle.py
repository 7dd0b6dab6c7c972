"""`model/pickle`: recognised, never loaded, refused. Loading a pickle runs whatever it names."""

from __future__ import annotations

from countermark.checks.model._check import Look, ModelFile
from countermark.finding import Finding, Where
from countermark.formats import pickled
from countermark.formats.limits import Malformed

ID = "model/pickle"
VERSION = 1
NAMES: frozenset[str] = frozenset()


def looks_at(file: ModelFile) -> bool:
    """A pickle by its opcodes, plain, zipped or compressed."""
    try:
        return bool(pickled.recognise(file.source))
    except Malformed:
        return False


def look(file: ModelFile) -> Look:
    """Refuse it and say what to use instead."""
    kind = pickled.recognise(file.source)
    why = "whoever loads it runs the code that it names; this reader did not look at what that is"
    found = Finding(
        ID, "pickle", "high", 1.0, f"{kind}: a format that runs code when it is loaded", Where(path=file.path, offset=0),
        why=why, fix="convert to safetensors or ONNX where it was made, and deliver that",
        cannot_tell="whether this pickle does harm",
    )  # fmt: skip
    return Look(ID, kind, "refused", f"{kind} runs code when it is loaded", (found,))
