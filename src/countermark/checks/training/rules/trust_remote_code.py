"""`training/trust-remote-code`: code of a hub's repository runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Code, Program
from countermark.checks.training._rule import Hit, Rule

_KEYS = frozenset({"trust_remote_code", "trust_repo"})


def _find(program: Program) -> Iterator[Hit]:
    for code, node in program.nodes(ast.keyword, ast.Dict):
        if isinstance(node, ast.keyword) and node.arg in _KEYS and _on(code, node.value):
            yield Hit(code, node, f"{node.arg} is on")
        elif isinstance(node, ast.Dict):
            yield from _in_options(code, node)


def _in_options(code: Code, node: ast.Dict) -> Iterator[Hit]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value in _KEYS and _on(code, value):
            yield Hit(code, key, f"{key.value} is on")


def _on(code: Code, value: ast.expr) -> bool:
    return code.names.value(value) not in (False, None, "check")


RULE = Rule(
    "training/trust-remote-code", "high", _find,
    why="the hub's repository brings Python files, and loading the model imports them",
    fix="copy the model class into the recipe, where it is reviewed and signed",
    cannot_tell="what the repository holds on the day of the run",
    bandit=("B615",),
)  # fmt: skip
