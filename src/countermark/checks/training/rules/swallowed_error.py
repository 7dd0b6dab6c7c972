"""`training/swallowed-error`: an error that nobody hears."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_WIDE = frozenset({"builtins.Exception", "builtins.BaseException"})


def _find(program: Program) -> Iterator[Hit]:
    for code, node in program.nodes(ast.ExceptHandler):
        wide = node.type is None or code.names.of(node.type) & _WIDE
        if wide and all(_idle(inner) for inner in node.body):
            yield Hit(code, node, "every error is passed over")


def _idle(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


RULE = Rule(
    "training/swallowed-error", "low", _find,
    why="rows that cannot be read are left out of training, and no count says so",
    fix="catch what can be mended, count it, and let the rest stop the run",
    cannot_tell="which errors come",
    bandit=("B110", "B112"),
)  # fmt: skip
