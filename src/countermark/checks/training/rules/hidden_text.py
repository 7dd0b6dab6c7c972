"""`training/hidden-text`: what the editor shows is not what Python reads."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u3164\u115f\u1160\uffa0\u034f")


def _find(program: Program) -> Iterator[Hit]:
    for code in program.files:
        for number, line in enumerate(code.text.split("\n"), 1):
            found = next((c for c in line if c in _DIRECTIONS or c in _INVISIBLE), None)
            if found and not (number == 1 and line.startswith("\ufeff") and line.count(found) == 1):
                yield Hit(
                    code, _at(number), f"hidden character U+{ord(found):04X} ({unicodedata.name(found, 'unnamed')})"
                )
    for code, node in program.nodes(ast.Name):
        if not node.id.isascii() and (script := _mixed(node.id)):
            yield Hit(code, node, f"the name {node.id!r} mixes Latin and {script} letters")


def _at(line: int) -> ast.AST:
    return ast.Pass(lineno=line, col_offset=0)


def _mixed(name: str) -> str:
    """A second script in one name; empty where there is none."""
    scripts = {unicodedata.name(c, "?").partition(" ")[0] for c in name if c.isalpha()}
    others = scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "FULLWIDTH", "MATHEMATICAL", "CHEROKEE"}
    return min(others).title() if "LATIN" in scripts and others else ""


RULE = Rule(
    "training/hidden-text", "high", _find,
    why="reordering and look-alike characters make a reviewer read other code than runs (Trojan Source, CVE-2021-42574)",
    fix="remove the characters; write them as escapes where a text needs them",
    cannot_tell="names wholly in one look-alike script",
    bandit=("B613",),
)  # fmt: skip
