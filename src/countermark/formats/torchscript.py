"""The code of a TorchScript archive: which operators it uses, by its syntax tree; nothing is compiled or run.

Source: `torch/csrc/jit/serialization/python_print.cpp` and `import_source.cpp` of torch 1.4 to 2.13. What is printed there is a
subset of Python's syntax; operators stand as ``torch.NAME`` (``aten``) and ``ops.NAMESPACE.NAME``.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from countermark.formats.limits import Malformed, OverLimit, Unaccounted

MOST_SOURCE = 8 << 20
_SYNTAX = (
    ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.AnnAssign, ast.AugAssign,
    ast.Return, ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Pass, ast.Expr, ast.Assert, ast.With, ast.withitem,
    ast.Call, ast.keyword, ast.Attribute, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Subscript, ast.Slice,
    ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Starred, ast.Delete,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Use:
    """Something that code refers to: an operator ``aten::add``, a method ``.forward``, or a plain name; and its line."""

    name: str
    line: int


def uses(source: bytes) -> list[Use]:
    """Operators, methods and free names of one file of code, in order.

    Raises:
        OverLimit: more than 8 MiB. Malformed: not text. Unaccounted: syntax that the printer does not write.
    """
    if len(source) > MOST_SOURCE:
        raise OverLimit("torchscript bytes", len(source), MOST_SOURCE)
    try:
        tree = ast.parse(source.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed("torchscript-text", "code that is no UTF-8", offset=error.start) from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unaccounted("torchscript-syntax", f"code that cannot be parsed: {error}"[:200]) from error
    bound = _bound(tree)
    out: list[Use] = []
    for node in ast.walk(tree):
        if not isinstance(node, _SYNTAX):
            raise Unaccounted("torchscript-syntax", f"{type(node).__name__} in line {getattr(node, 'lineno', 0)}")
        out += _use(node, bound)
    return sorted(set(out), key=lambda use: (use.line, use.name))


def _bound(tree: ast.Module) -> set[str]:
    """Names that the code itself gives a meaning."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return names | {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def _use(node: ast.AST, bound: set[str]) -> list[Use]:
    if isinstance(node, ast.Attribute):
        chain = _chain(node)
        if chain[:1] == ["torch"] and len(chain) == 2:
            return [Use(f"aten::{chain[1]}", node.lineno)]
        if chain[:1] == ["ops"] and len(chain) == 3:
            return [Use(f"{chain[1]}::{chain[2]}", node.lineno)]
        return [Use(f".{node.attr}", node.lineno)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in bound:
        return [Use(node.func.id, node.lineno)]
    return []


def _chain(node: ast.AST) -> list[str]:
    """``a.b.c`` as a list; empty where it does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []
