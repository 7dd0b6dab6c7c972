"""`model/safetensors`: the header says all, the tensors fill the rest, nothing can run."""

from __future__ import annotations

from countermark.checks.model._check import Look, ModelFile, refused
from countermark.formats import safetensors
from countermark.formats.limits import Malformed

ID = "model/safetensors"


def looks_at(file: ModelFile) -> bool:
    """The length and the opening brace."""
    return safetensors.announces(file.head)


def look(file: ModelFile) -> Look:
    """Account for every byte."""
    try:
        facts = safetensors.read(file.source)
    except Malformed as error:
        return refused(ID, "safetensors", file, error)
    return Look(
        ID, "safetensors", "proven", f"{len(facts.tensors)} tensors, {facts.data_bytes} bytes",
        counts=(("tensors", len(facts.tensors)), ("parameter bytes", facts.data_bytes)),
    )  # fmt: skip
