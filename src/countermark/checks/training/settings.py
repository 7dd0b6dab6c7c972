"""`training/settings`: JSON, YAML and TOML that name code for a loader to import or call."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from countermark.checks.model.config import KEYS
from countermark.checks.training._targets import objection
from countermark.checks.training._yaml import Doubt, doubts
from countermark.finding import Finding, Severity, Where
from countermark.formats.limits import Malformed, OverLimit

ID = "training/settings"
VERSION = 1
EXTENSIONS = frozenset({"json", "yaml", "yml", "toml"})
MAX_BYTES = 4 << 20
TARGETS = frozenset(
    {
        "_target_",
        "class_path",
        "_component_",
        "py/object",
        "py/reduce",
        "py/function",
        "py/type",
        "_convert_target_",
        "__target__",
    }
)
"""Keys whose value a loader calls: Hydra, jsonargparse, torchtune, jsonpickle."""
_CODE = KEYS - TARGETS


class NoSettings(Malformed):
    """The text is not of the format that its name says."""

    answer = "unproven"


def read(path: str, data: bytes) -> list[Finding]:
    """Findings about one file of settings.

    Raises:
        NoSettings: it does not parse. OverLimit: it is too large.
    """
    if len(data) > MAX_BYTES:
        raise OverLimit("bytes of settings", len(data), MAX_BYTES)
    try:
        text = data.decode("utf-8-sig")
        if path.lower().endswith((".yaml", ".yml")):
            return [_yaml(path, doubt) for doubt in doubts(text)]
        value = json.loads(text, object_pairs_hook=_once) if path.lower().endswith(".json") else tomllib.loads(text)
        return [_finding(path, text, key, what) for key, what in _named(value, 0)]
    except (ValueError, RecursionError) as error:
        raise NoSettings("unparsed", f"does not parse: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key stands twice, and readers disagree which one counts")
    return out


def _named(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of everything that names code."""
    if depth > 200:
        raise ValueError("nested deeper than 200")
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in TARGETS and (why := objection(inner) if isinstance(inner, str) else "is computed"):
                yield key, f"{key} {str(inner)[:80]!r} {why}"
            elif key in _CODE and inner:
                yield key, f"{key} is set"
            yield from _named(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, depth + 1)


def _finding(path: str, text: str, key: str, what: str) -> Finding:
    at = re.search(re.escape(key), text)
    return _said(path, text.count("\n", 0, at.start()) + 1 if at else 1, what, "high")


def _yaml(path: str, doubt: Doubt) -> Finding:
    return _said(path, doubt.line, doubt.what, doubt.severity)


def _said(path: str, line: int, what: str, severity: Severity) -> Finding:
    return Finding(
        ID, "names-code", severity, 0.9, f"{what} (line {line})", Where(path=path, line=line),
        "whoever writes the setting chooses what runs (CVE-2025-23304)",
        "name choices by a word, and look them up in a table in the code",
        "what the loader makes of keys that only it knows",
    )  # fmt: skip
