"""`model/config`: settings beside a model that name code for a loader to fetch or run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from countermark import canonical
from countermark.checks.model._check import Look, ModelFile
from countermark.errors import StatementRefused
from countermark.finding import Finding, Where

ID = "model/config"
KEYS = frozenset({"auto_map", "trust_remote_code", "_target_", "custom_pipelines", "py/object", "py/reduce"})
"""Keys of JSON settings that make a loader import or run code."""
_YAML_TAG = b"!!python/"
_MAX_BYTES = 16 << 20


def looks_at(file: ModelFile) -> bool:
    """JSON or YAML by its name; `look` leaves alone what is no such text."""
    return file.extension in ("json", "yaml", "yml") and 0 < file.source.size <= _MAX_BYTES


def look(file: ModelFile) -> Look:
    """Refuse settings that name code; anything else is no model content."""
    data = file.source.read(0, file.source.size)
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
    return Look(ID, "text", "not model content", "settings that name no code")


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
