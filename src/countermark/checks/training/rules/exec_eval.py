"""`training/exec-eval`: text becomes code."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_NAMES = (
    "builtins.exec", "builtins.eval", "builtins.compile", "builtins.execfile", "code.InteractiveInterpreter", "code.InteractiveConsole",
    "code.interact", "codeop.compile_command", "timeit.timeit", "timeit.repeat", "timeit.Timer", "cProfile.run", "cProfile.runctx",
    "profile.run", "profile.runctx", "trace.Trace", "doctest.debug_script", "types.FunctionType", "types.CodeType", "types.LambdaType",
    "pandas.eval", "pandas.core.computation.eval.eval", "numexpr.evaluate", "numpy.f2py.crackfortran.getlincoef", "sympy.sympify",
    "sympy.parse_expr", "sympy.parsing.sympy_parser.parse_expr", "idlelib.pyshell.ModifiedInterpreter", "pdb.run", "pdb.runeval", "bdb.Bdb",
    "dis.findlinestarts.exec", "_xxsubinterpreters.run_string", "_interpreters.run_string", "concurrent.interpreters.create",
)  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_NAMES):
        yield Hit(code, node, f"{name.removeprefix('builtins.')} turns data into code")


RULE = Rule(
    "training/exec-eval", "high", _find,
    why="whoever writes the text runs code in this training",
    fix="ast.literal_eval for values; a table of functions for choices",
    cannot_tell="where the text comes from",
    bandit=("B102", "B307"),
)  # fmt: skip
