"""Lists of what a grammar allows and refuses: data files of kind and name, with source and date, exact entries."""

from __future__ import annotations

from functools import cache

from countermark.checks.model._names import rows


@cache
def listed(grammar: str, kind: str) -> frozenset[str]:
    """Names of one kind in a list.

    Args:
        grammar: the list. kind: first column of its lines.
    """
    return frozenset(name for what, name in rows(f"{grammar}.names") if what == kind)
