"""Names of code in settings: what would run if a loader called them, judged by the rules about code."""

from __future__ import annotations

import re
import sys

from countermark.checks.training._program import Program, Unparsed, parse
from countermark.checks.training.rules import RULES

DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_QUIET = frozenset(
    {"training/unseeded-random", "training/nondeterministic", "training/unordered-files", "training/delete-files"}
)
"""Rules about how a program as a whole behaves; one name says nothing of that."""


def objection(target: str) -> str:
    """Why a loader should not call what a setting names; empty where no rule minds.

    Args:
        target: dotted name, as in Hydra's ``_target_``.
    """
    if not DOTTED.fullmatch(target):
        return "is no plain dotted name"
    root = target.partition(".")[0]
    if root in sys.stdlib_module_names:
        return "is of Python's own library, which no model is made of"
    if any(part.startswith("_") for part in target.split(".")):
        return "is private to its library"
    try:
        code = parse("settings", f"import {root}\n{target}()\n")
    except Unparsed:
        return "is no name of Python"
    broken = [rule.id for rule in RULES if rule.id not in _QUIET and any(rule.find(Program((code,))))]
    return f"breaks {', '.join(broken)}" if broken else ""
