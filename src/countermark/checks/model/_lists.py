"""Lists of what a grammar allows and refuses: data files of kind and name, with source and date, exact entries."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def listed(grammar: str, kind: str) -> frozenset[str]:
    """Names of one kind in a list.

    Args:
        grammar: the list. kind: first column of its lines.
    """
    lines = (line.split("\t") for line in _text(grammar).splitlines() if line and not line.startswith("#"))
    return frozenset(name for what, name in lines if what == kind)


@cache
def _text(grammar: str) -> str:
    return (files("countermark.checks.model") / "names" / f"{grammar}.names").read_text(encoding="utf-8")
