"""`training/date-trigger`: code that waits for a day, a machine or a user."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import cast

from countermark.checks.training._program import Code, Program, matches
from countermark.checks.training._rule import Hit, Rule

_SURROUNDINGS = (
    "datetime.datetime.now*", "datetime.datetime.utcnow*", "datetime.datetime.today*", "datetime.date.today*", "time.localtime*", "time.gmtime*",
    "time.strftime*", "socket.gethostname*", "platform.node*", "getpass.getuser*", "os.getlogin*", "os.uname*", "os.getuid*", "uuid.getnode*",
    "socket.getfqdn*",
)  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, test in _tests(program):
        name = _asked(code, test)
        if name:
            yield Hit(code, test, f"what happens depends on {name.partition('(')[0]}")


def _tests(program: Program) -> Iterator[tuple[Code, ast.expr]]:
    for code, node in program.nodes(ast.If, ast.IfExp, ast.While, ast.Assert):
        yield code, cast(ast.If, node).test  # all four have one


def _asked(code: Code, test: ast.expr) -> str:
    for node in ast.walk(test):
        if isinstance(node, ast.Name | ast.Attribute | ast.Call):
            found = next((n for n in sorted(code.names.of(node)) if matches(n, _SURROUNDINGS)), "")
            if found:
                return found
    return ""


RULE = Rule(
    "training/date-trigger", "medium", _find,
    why="code that behaves well on the reviewer's day and machine, and otherwise later, is how a trap is laid",
    fix="make it a parameter of the recipe",
    cannot_tell="triggers in the data itself; `countermark screen` looks there",
)  # fmt: skip
