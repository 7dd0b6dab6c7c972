"""`model/gguf`: sizes that do not overflow, tensors that fill the file, a chat template that reaches nothing."""

from __future__ import annotations

from countermark.checks.model import _template
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.finding import Finding
from countermark.formats import gguf
from countermark.formats.limits import Malformed

ID = "model/gguf"


def looks_at(file: ModelFile) -> bool:
    """The magic number."""
    return gguf.announces(file.head)


def look(file: ModelFile) -> Look:
    """Account for every byte, and parse the chat templates."""
    try:
        facts = gguf.read(file.source)
    except Malformed as error:
        return refused(ID, "gguf", file, error)
    findings: list[Finding] = []
    doubts: list[str] = []
    parser = ""
    for key, (text, at) in facts.templates.items():
        judged = _template.judge(text)
        parser = judged.parser
        findings += _template.findings(ID, file.path, key, at, judged)
        doubts += [f"{key}, line {line}: {what}" for what, line in judged.doubts.items()]
    size = sum(tensor.end - tensor.begin for tensor in facts.tensors)
    counts = (("tensors", len(facts.tensors)), ("parameter bytes", size), ("settings", len(facts.keys)))
    if findings:
        return Look(ID, "gguf", "refused", findings[0].what, tuple(findings), counts=counts)
    if doubts:
        return Look(ID, "gguf", "unproven", f"{'; '.join(doubts[:3])}{_with(parser)}", counts=counts)
    why = f"{len(facts.tensors)} tensors, {size} bytes, {len(facts.templates)} chat templates{_with(parser)}"
    return Look(ID, "gguf", "proven", why, counts=counts)


def _with(parser: str) -> str:
    return f" (parsed with {parser})" if parser else ""
