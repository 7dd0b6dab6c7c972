"""Takes one refusal at a time out of a module, while everything else runs on.

What refuses is found in the syntax tree: `raise` with an error, statements that note a finding or a doubt, answers that
are not `proven`, and each condition of an `if` that leads to one of these.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType, ModuleType

_SAYS = re.compile(
    r"refuse\(|Finding\(|_finding\(|_polyglot\(|\brefused\(|'refused'|'unproven'|_foreign\(|_named\(file"
)
"""What an answer holds that is not `proven`."""

_NOTES = re.compile(r"doubts|findings|claim|unlisted|lies|_zeros|count\(item\)")
_HANDLING = frozenset(
    {
        "skip",
        "add",
        "append",
        "pop",
        "update",
        "callback",
        "pop_all",
        "extend",
        "__init__",
        "put",
        "_put",
        "_begin",
        "setdefault",
    }
)
"""Methods that move on or keep something, and say nothing about it."""


_ELSEWHERE = frozenset({"FileSource", "_fingerprint", "_pread"})
"""What reads the disk and not a format; its own tests stand in `tests/unit/formats/`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing to take out.

    Attributes:
        line, last: of the statement that refuses, or of the body that a condition leads to. place: (line, column, end line, end
            column) of what is replaced. how: ``gone``, ``false`` or ``true``. text: source of what is replaced.
    """

    line: int
    last: int
    place: tuple[int, int, int, int]
    how: str
    text: str


@cache
def refusals(module: ModuleType) -> tuple[Refusal, ...]:
    """Everything in a module that refuses, and every condition that leads there, in order."""
    out = []
    for node in (
        inner
        for outer in _tree(module).body
        if getattr(outer, "name", "") not in _ELSEWHERE
        for inner in ast.walk(outer)
    ):
        if isinstance(node, ast.stmt) and _refuses(node):
            out.append(Refusal(node.lineno, node.end_lineno or node.lineno, _place(node), "gone", ast.unparse(node)))
        if isinstance(node, ast.If) and any(map(_refuses, node.body)):
            first, last = node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno
            out += [Refusal(first, last, _place(part), how, ast.unparse(part)) for part, how in _parts(node.test)]
    return tuple(sorted(set(out), key=lambda refusal: refusal.place))


def _refuses(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None
    if isinstance(node, ast.Return):
        return bool(_SAYS.search(ast.unparse(node)))
    if isinstance(node, ast.AugAssign):
        return bool(_NOTES.search(ast.unparse(node)))
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    return getattr(node.value.func, "attr", "") not in _HANDLING or bool(_NOTES.search(ast.unparse(node)))


def _parts(test: ast.expr, inside_not: bool = False) -> Iterator[tuple[ast.expr, str]]:
    """Operands of every `or` of a condition, and of every `and` under a `not`."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And if inside_not else ast.Or):
        for operand in test.values:
            inner = list(_parts(operand, inside_not))
            yield from inner or [(operand, "true" if inside_not else "false")]
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _parts(test.operand, not inside_not)
    elif isinstance(test, ast.BoolOp):
        for operand in test.values:
            yield from _parts(operand, inside_not)
    elif (
        isinstance(test, ast.Call)
        and getattr(test.func, "id", "") in ("any", "all")
        and isinstance(test.args[0], ast.GeneratorExp)
    ):
        yield from _parts(test.args[0].elt, inside_not)


def _place(node: ast.AST) -> tuple[int, int, int, int]:
    return (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


class _Removed(ast.NodeTransformer):
    """Exchanges what stands in one place."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.stmt, ast.expr)) and _place(node) == self._refusal.place:
            if self._refusal.how == "gone" and isinstance(node, ast.stmt):
                return ast.copy_location(ast.Pass(), node)
            if self._refusal.how != "gone" and isinstance(node, ast.expr):
                # The operand is still asked: some move a cursor on.
                told = self._refusal.how == "true"
                return ast.BoolOp(ast.Or() if told else ast.And(), [node, ast.Constant(told)])
        return self.generic_visit(node)


@contextlib.contextmanager
def without(module: ModuleType, refusal: Refusal) -> Iterator[None]:
    """The module as if the refusal were not there: functions keep their identity, their code is exchanged."""
    tree = ast.fix_missing_locations(_Removed(refusal).visit(copy.deepcopy(_around(module, refusal.line))))
    compiled = compile(tree, module.__file__ or "", "exec", dont_inherit=True)
    mutated = {code.co_qualname: code for code in _codes(compiled)}
    kept = [(f, f.__code__) for f in _functions(module) if f.__qualname__ in mutated]
    for function, code in kept:
        if len(mutated[function.__qualname__].co_freevars) == len(code.co_freevars):
            function.__code__ = mutated[function.__qualname__]
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def _around(module: ModuleType, line: int) -> ast.Module:
    """The function or class that a line lies in, as a module of its own."""
    tree = _tree(module)
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    around = [node for node in tree.body if node.lineno <= line <= (node.end_lineno or 0)]
    return ast.Module([*future, *around], [])


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in vars(module).values():
        for member in vars(value).values() if isinstance(value, type) else (value,):
            plain = inspect.unwrap(member) if callable(member) else getattr(member, "fget", None)
            if isinstance(plain, FunctionType) and plain.__module__ == module.__name__:
                yield plain
