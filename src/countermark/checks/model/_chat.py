"""Chat templates outside of GGUF: in a tokenizer's settings, and in files of their own (transformers, `chat_template`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from countermark.checks.model import _template
from countermark.checks.model._check import Look, ModelFile
from countermark.finding import Finding

FORMAT = "chat template"
EXTENSIONS = frozenset({"jinja", "jinja2", "j2"})
_KEY = "chat_template"
_MOST = 64


class Pairs(list[tuple[str, Any]]):
    """A JSON object with all of its keys, also those that stand twice."""


def templates(settings: Any) -> dict[str, list[str]]:
    """The texts under each key `chat_template`, however deep: one text, or one for each name."""
    out: list[str] = []
    todo: list[tuple[Any, bool]] = [(settings, False)]
    while todo:
        value, inside = todo.pop()
        if isinstance(value, Pairs):
            todo += [(inner, inside or key == _KEY) for key, inner in value]
        elif isinstance(value, list):
            todo += [(inner, inside) for inner in value]
        elif inside and isinstance(value, str):
            out.append(value)
    return {_KEY: out}


def look(check: str, file: ModelFile, found: Mapping[str, Sequence[str]]) -> Look | None:
    """What templates do that they may not, or that nobody could tell; None where there is nothing of it.

    Args:
        check: who says so. found: key -> templates.
    """
    findings: list[Finding] = []
    doubts: list[str] = []
    for key, texts in found.items():
        at = max(0, file.head.find(key.encode()))
        if len(texts) > _MOST:
            doubts.append(f"more than {_MOST} templates")
        for text in texts[:_MOST]:
            judged = _template.judge(text)
            findings += _template.findings(check, file.path, key, at, judged)
            doubts += [f"{key}, line {line}: {what}" for what, line in judged.doubts.items()]
    if findings:
        return Look(check, FORMAT, "refused", findings[0].what, tuple(findings))
    return Look(check, FORMAT, "unproven", "; ".join(doubts[:3])) if doubts else None
