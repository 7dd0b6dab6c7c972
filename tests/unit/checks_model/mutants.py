"""Takes one refusal at a time out of a module, while everything else runs on."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType


def refusals(module: ModuleType) -> list[int]:
    """Lines of the module's `raise` statements, those that pass an error on left out."""
    return [
        n.lineno
        for n in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(n, ast.Raise) and n.exc is not None
    ]


@contextlib.contextmanager
def without(module: ModuleType, line: int) -> Iterator[None]:
    """The module as if the refusal in this line were not there: functions keep their identity, their code is exchanged."""
    tree = _Removed(line).visit(ast.parse(inspect.getsource(module)))
    compiled = compile(ast.fix_missing_locations(tree), module.__file__ or "", "exec", dont_inherit=True)
    mutated = {code.co_qualname: code for code in _codes(compiled)}
    kept = [(function, function.__code__) for function in _functions(module)]
    for function, code in kept:
        if function.__qualname__ in mutated and len(mutated[function.__qualname__].co_freevars) == len(
            code.co_freevars
        ):
            function.__code__ = mutated[function.__qualname__]
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


class _Removed(ast.NodeTransformer):
    def __init__(self, line: int) -> None:
        self.line = line

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.copy_location(ast.Pass(), node) if node.lineno == self.line else node


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in vars(module).values():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            yield from (member for member in vars(value).values() if isinstance(member, FunctionType))
