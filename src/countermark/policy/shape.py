"""Evidence read without trust in its shape: what is of another type is as good as not there, and never a crash.

Statements are signed, not well-formed all the way down; a gate that finds a hole refuses.
"""

from __future__ import annotations

from typing import Any


def table(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: Any) -> list[dict[str, Any]]:
    """The list with an empty object wherever an entry is none; empty where it is no list."""
    return [table(v) for v in value] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """The list with empty text wherever an entry is none; empty where it is no list."""
    return [text(v) for v in value] if isinstance(value, list) else []


def text(value: Any) -> str:
    """The text, or empty text."""
    return value if isinstance(value, str) else ""
