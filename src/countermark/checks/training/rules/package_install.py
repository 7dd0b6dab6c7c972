"""`training/package-install`: a run that installs its own dependencies has no lock."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from countermark.checks.training._program import Code, Program
from countermark.checks.training._rule import Hit, Rule

_NAMES = ("pip.*", "pip._internal.*", "ensurepip.*", "setuptools.setup", "setuptools.command.easy_install.*", "pkg_resources.require",
          "micropip.install", "conda.cli.python_api.*", "ensurepip._run_pip")  # fmt: skip
_COMMAND = re.compile(r"\b(pip3?|conda|mamba|uv|poetry|apt(-get)?|npm|easy_install)\b[^\n]{0,40}\b(install|add|sync)\b")


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_NAMES):
        yield Hit(code, node, f"{name} installs packages")
    for code, call in program.nodes(ast.Call):
        if text := _command(code, call):
            yield Hit(code, call, f"installs packages: {text[:60]!r}")


def _command(code: Code, node: ast.Call) -> str:
    """The words of a call that look like an installer's command line."""
    for argument in node.args:
        parts = argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
        words = [code.names.value(part) for part in parts]
        text = " ".join(word for word in words if isinstance(word, str))
        if len(text) < 4096 and _COMMAND.search(text):
            return text
    return ""


RULE = Rule(
    "training/package-install", "high", _find,
    why="what is installed is what the index serves that day; the lock does not know it",
    fix="put it into the lock, with its hash",
    cannot_tell="which version would come",
)  # fmt: skip
