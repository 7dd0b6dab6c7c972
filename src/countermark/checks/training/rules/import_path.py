"""`training/import-path`: where imports come from is changed while running."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Code, Program
from countermark.checks.training._rule import Hit, Rule

_HOOKS = ("sys.meta_path", "sys.path_hooks", "sys.settrace", "sys.setprofile", "threading.settrace", "threading.setprofile", "site.addsitedir",
          "sys.addaudithook", "pkgutil.extend_path", "importlib.invalidate_caches", "copyreg.pickle", "copyreg.add_extension",
          "codecs.register", "atexit.register")  # fmt: skip
_CHANGES = frozenset({"append", "insert", "extend"})


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_HOOKS):
        yield Hit(code, node, f"{name} changes what later code does")
    for call in program.calls("sys.path.append", "sys.path.insert", "sys.path.extend"):
        if not _own_folder(call.code, call.node.args[-1:]):
            yield Hit(call.code, call.node, f"{call.name}: imports from elsewhere")
    for code, assigned in program.nodes(ast.Assign):
        if any("sys.path" in code.names.of(target) for target in assigned.targets):
            yield Hit(code, assigned, "replaces sys.path")


def _own_folder(code: Code, arguments: list[ast.expr]) -> bool:
    """``sys.path.insert(0, ".")`` or the folder of this file: part of the recipe all the same."""
    if not arguments:
        return False
    text = code.names.value(arguments[0])
    if isinstance(text, str):
        return text in ("", ".") or not (text.startswith(("/", "~")) or ".." in text.split("/"))
    return any(isinstance(n, ast.Name) and n.id == "__file__" for n in ast.walk(arguments[0]))


RULE = Rule(
    "training/import-path", "medium", _find,
    why="modules come from a folder that the recipe does not name and the lock does not pin",
    fix="put the code beside the script, and name it in the recipe's [code]",
    cannot_tell="what lies in that folder",
)  # fmt: skip
