"""`training/monkey-patch`: code that changes other code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Code, Program, matches
from countermark.checks.training._rule import Hit, Rule

_LIBRARIES = ("builtins.*", "sys.*", "os.*", "pickle.*", "torch.*", "numpy.*", "sklearn.*", "tensorflow.*", "keras.*", "json.*", "hashlib.*", "random.*",
              "yaml.*", "onnx.*", "importlib.*", "subprocess.*", "ssl.*", "socket.*")  # fmt: skip
_SETTINGS = ("torch.backends.*", "sys.stdout", "sys.stderr", "sys.argv", "sys.exitcode", "*.__version__", "torch.set_*", "sys.dont_write_bytecode",
             "numpy.seterr*", "os.environ*", "matplotlib.*", "keras.backend.*", "*.()*", "*[]*", "*().*")  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, node in program.nodes(ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Attribute) and (name := _owned(code, target)):
                yield Hit(code, node, f"replaces {name}")
    for call in program.calls("builtins.setattr"):
        owners = call.code.names.of(call.node.args[0]) if call.node.args else frozenset()
        owner = next((o for o in sorted(owners) if matches(o + ".x", _LIBRARIES) and "()" not in o), None)
        if owner:
            yield Hit(call.code, call.node, f"sets an attribute of {owner}")


def _owned(code: Code, target: ast.Attribute) -> str:
    names = {f"{owner}.{target.attr}" for owner in code.names.of(target.value)}
    return next((n for n in sorted(names) if matches(n, _LIBRARIES) and not matches(n, _SETTINGS)), "")


RULE = Rule(
    "training/monkey-patch", "medium", _find,
    why="every later call does something else than its name says, in code that nobody looks at twice",
    fix="call your own function by its own name",
    cannot_tell="whether the replacement is harmless",
)  # fmt: skip
