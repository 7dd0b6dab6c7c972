"""`model/config`: settings beside a model that name code for a loader to fetch or run."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from countermark.checks.model import _chat
from countermark.checks.model._chat import Pairs
from countermark.checks.model._check import Look, ModelFile
from countermark.finding import Finding, Where

ID = "model/config"
KEYS = frozenset({"auto_map", "trust_remote_code", "_target_", "custom_pipelines", "py/object", "py/reduce"})
"""Keys of settings that make a loader import or run code."""
_MAX_BYTES = 16 << 20
EXTENSIONS = _chat.EXTENSIONS | {"json", "yaml", "yml"}
_OFF = r"(?:false|no|off|null|~|\{\s*\}|\[\s*\]|''|\"\"|0)\s*(?:$|[#,}\]])"
_YAML_KEY = re.compile(
    rf"(?<![\w.])({'|'.join(map(re.escape, sorted(KEYS)))})(?![\w.])['\"]?+\s*+:?+(?!\s*{_OFF})",
    re.MULTILINE | re.IGNORECASE,
)
_YAML_TAG = re.compile(r"(?:!\S*python/)|^%TAG\b", re.MULTILINE)
"""Python's own tags, however their prefix is written; a directive may give that prefix any name."""
_YAML_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_ESCAPED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")


def looks_at(file: ModelFile) -> bool:
    """JSON, YAML or a template by its name; `look` leaves alone what is no such text."""
    return file.extension in EXTENSIONS and 0 < file.source.size <= _MAX_BYTES


def look(file: ModelFile) -> Look:
    """Refuse settings that name code, and chat templates that reach for it; other settings are no model content."""
    data = file.source.read(0, file.source.size)
    try:
        text = data.decode("utf-8-sig")
        if file.extension in _chat.EXTENSIONS:
            return _chat.look(ID, file, {"template": [text]}) or Look(
                ID, _chat.FORMAT, "proven", "a template that reads its variables only"
            )
        value = json.loads(text, object_pairs_hook=Pairs) if file.extension == "json" else None
        found = _in_yaml(text) if value is None else _in_json(value)
    except (ValueError, RecursionError) as error:
        # The coverage check says what it is; text that no reader of JSON takes is nobody's settings.
        return Look(ID, "unknown", "unproven", f"no settings: {error}"[:200])
    if found:
        return _named(file, found, data.find(found.encode()))
    if file.extension != "json":
        return Look(ID, "unknown", "unproven")
    return _chat.look(ID, file, _chat.templates(value)) or Look(
        ID, "text", "not model content", "settings that name no code"
    )


def _in_json(value: Any) -> str:
    """The first key that names code, as lenient readers see it: infinities and keys that stand twice are theirs."""
    todo: list[Any] = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, Pairs):
            if key := next((key for key, inner in value if inner and key in KEYS), ""):  # ``false`` names nothing
                return key
            todo += [inner for _, inner in value]
        elif isinstance(value, list):
            todo += value
    return ""


def _in_yaml(text: str) -> str:
    """The first key or tag that names code; its text is searched, escapes undone, and not parsed."""
    plain = _YAML_COMMENT.sub("", unquote(_ESCAPED.sub(_character, text)))
    found = _YAML_TAG.search(plain) or _YAML_KEY.search(plain)
    return (found[1] if found.re is _YAML_KEY else found[0].strip()) if found else ""


def _character(escape: re.Match[str]) -> str:
    number = int(escape[1] or escape[2] or escape[3], 16)
    return chr(number) if number < 0x110000 else ""


def _named(file: ModelFile, key: str, at: int) -> Look:
    found = Finding(
        ID, "names-code", "medium", 0.9, f"settings hold {key!r}", Where(path=file.path, offset=max(0, at)),
        why="loaders that obey it import or run code that lies elsewhere",
        fix="remove it, and use a model class of the recipe", cannot_tell="what the code does; it was not read",
    )  # fmt: skip
    return Look(ID, "text", "refused", f"settings hold {key!r}", (found,))
