"""`model/config`: settings beside a model that name code for a loader to fetch or run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from countermark import canonical
from countermark.checks.model import _template
from countermark.checks.model._check import Look, ModelFile
from countermark.errors import StatementRefused
from countermark.finding import Finding, Where

ID = "model/config"
KEYS = frozenset({"auto_map", "trust_remote_code", "_target_", "custom_pipelines", "py/object", "py/reduce"})
"""Keys of JSON settings that make a loader import or run code."""
_YAML_TAG = b"!!python/"
_MAX_BYTES = 16 << 20
_MOST_TEMPLATES = 64
_TEMPLATES = frozenset({"jinja", "jinja2", "j2"})
EXTENSIONS = _TEMPLATES | {"json", "yaml", "yml"}


def looks_at(file: ModelFile) -> bool:
    """JSON, YAML or a template by its name; `look` leaves alone what is no such text."""
    return file.extension in EXTENSIONS and 0 < file.source.size <= _MAX_BYTES


def look(file: ModelFile) -> Look:
    """Refuse settings that name code, and chat templates that reach for it; other settings are no model content."""
    data = file.source.read(0, file.source.size)
    if file.extension in _TEMPLATES:
        return _templates(file, [("template", data.decode("utf-8", "replace"))], data) or Look(
            ID, "chat template", "proven", "a template that reads its variables only"
        )
    if file.extension != "json":
        at = data.find(_YAML_TAG)
        return _named(file, "!!python/", at) if at >= 0 else Look(ID, "unknown", "unproven")
    try:
        value = canonical.from_bytes(data, what=file.path)
    except StatementRefused as error:
        # The coverage check says what it is; text that is no JSON is nobody's settings.
        return Look(ID, "unknown", "unproven", error.what)
    key = next((key for key in _keys(value) if key in KEYS), None)
    if key is not None:
        return _named(file, key, data.find(key.encode()))
    return _templates(file, list(_chat_templates(value)), data) or Look(
        ID, "text", "not model content", "settings that name no code"
    )


def _chat_templates(value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Key and text of each chat template: a text, or one for each name (transformers, `tokenizer_config.json`)."""
    if not isinstance(value, dict) or depth > 2:
        return
    for key, inner in value.items():
        if key == "chat_template":
            yield from _texts(key, inner)
        yield from _chat_templates(inner, depth + 1)


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(key, inner)


def _templates(file: ModelFile, templates: list[tuple[str, str]], data: bytes) -> Look | None:
    """What the templates do that they may not, or that nobody could tell; None where there is nothing of it."""
    found: list[Finding] = []
    doubts = [f"more than {_MOST_TEMPLATES} chat templates"] if len(templates) > _MOST_TEMPLATES else []
    for key, text in templates[:_MOST_TEMPLATES]:
        judged = _template.judge(text)
        found += _template.findings(ID, file.path, key, max(0, data.find(key.encode())), judged)
        doubts += [f"{key}, line {line}: {what}" for what, line in judged.doubts.items()]
    if found:
        return Look(ID, "chat template", "refused", found[0].what, tuple(found))
    return Look(ID, "chat template", "unproven", "; ".join(doubts[:3])) if doubts else None


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner:  # ``"trust_remote_code": false`` names nothing
                yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _named(file: ModelFile, key: str, at: int) -> Look:
    found = Finding(
        ID, "names-code", "medium", 0.9, f"settings hold {key!r}", Where(path=file.path, offset=max(0, at)),
        why="loaders that obey it import or run code that lies elsewhere",
        fix="remove it, and use a model class of the recipe", cannot_tell="what the code does; it was not read",
    )  # fmt: skip
    return Look(ID, "text", "refused", f"settings hold {key!r}", (found,))
