"""`training/unordered-files`: the order of files is the file system's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Code, Program
from countermark.checks.training._rule import Hit, Rule

_LISTS = ("os.listdir", "os.scandir", "glob.glob", "glob.iglob", "*.iterdir", "*.glob", "*.rglob")
_ORDERLESS = frozenset({"builtins.sorted", "builtins.len", "builtins.set", "builtins.any", "builtins.all", "builtins.sum", "builtins.max",
                        "builtins.min", "builtins.frozenset", "natsort.natsorted", "collections.Counter", "builtins.bool"})  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    settled = {id(node) for code in program.files for node in _settled(code)}
    for call in program.calls(*_LISTS):
        if id(call.node) not in settled:
            yield Hit(call.code, call.node, f"{call.shown} in the order of the file system")


def _settled(code: Code) -> Iterator[ast.AST]:
    """Everything inside a call that sorts or does not mind the order, and lists that are sorted in place."""
    sorted_later = {
        node.func.value.id for node in code.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sort"
        and isinstance(node.func.value, ast.Name)
    }  # fmt: skip
    for node in code.nodes:
        named = isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id in sorted_later for t in node.targets
        )
        inside = isinstance(node, ast.Call) and code.names.of(node.func) & _ORDERLESS
        if named or inside or isinstance(node, ast.SetComp | ast.DictComp):
            yield from ast.walk(node)


RULE = Rule(
    "training/unordered-files", "low", _find,
    why="the same rows in another order train another model, whatever the seed",
    fix="sorted(...)",
    cannot_tell="whether the order matters to what follows",
)  # fmt: skip
