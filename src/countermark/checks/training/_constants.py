"""Constants of a program: strings and numbers that are known without running it, joined ones included."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Final

MAX_TEXT = 1 << 16
MAX_DEPTH = 50


class Unknown:
    """The value of an expression that only running it would show."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
Value = str | bytes | int | float | bool | None | Unknown
_Fold = Callable[[ast.expr], Value]


def fold(node: ast.expr, known: Mapping[str, Value] = {}, depth: int = 0) -> Value:
    """The constant that an expression is, or `UNKNOWN`.

    Folds literals, signs, ``+`` and formatting of texts, ``"".join([...])``, ``[::-1]``, ``chr``, ``.decode()`` and names in `known`:
    the ways in which code that hides a name writes it. Bounded in depth and length.
    """
    if depth > MAX_DEPTH:
        return UNKNOWN
    match node:
        case ast.Constant(value=str() | bytes() | int() | float() | None as literal):
            return literal
        case ast.Name(id=name):
            return known.get(name, UNKNOWN)
    reader = _READERS.get(type(node))
    value: Value = reader(node, lambda inner: fold(inner, known, depth + 1)) if reader else UNKNOWN
    return UNKNOWN if isinstance(value, str | bytes) and len(value) > MAX_TEXT else value


def _sum(node: ast.BinOp, value: _Fold) -> Value:
    if not isinstance(node.op, ast.Add):
        return UNKNOWN
    left, right = value(node.left), value(node.right)
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    return UNKNOWN


def _format(node: ast.JoinedStr, value: _Fold) -> Value:
    parts = []
    for part in node.values:
        inner = value(part.value if isinstance(part, ast.FormattedValue) else part)
        if isinstance(part, ast.FormattedValue) and (part.format_spec or part.conversion != -1):
            return UNKNOWN
        if not isinstance(inner, str | int):
            return UNKNOWN
        parts.append(str(inner))
    return "".join(parts)


def _call(node: ast.Call, value: _Fold) -> Value:
    if node.keywords:
        return UNKNOWN
    if isinstance(node.func, ast.Name) and node.func.id == "chr" and len(node.args) == 1:
        code = value(node.args[0])
        return chr(code) if isinstance(code, int) and 0 <= code < 0x110000 else UNKNOWN
    return _method(node, node.func, value) if isinstance(node.func, ast.Attribute) else UNKNOWN


def _method(node: ast.Call, func: ast.Attribute, value: _Fold) -> Value:
    owner = value(func.value)
    if func.attr == "join" and isinstance(owner, str) and len(node.args) == 1:
        return _joined(owner, node.args[0], value)
    if func.attr == "decode" and isinstance(owner, bytes):
        return owner.decode("utf-8", "replace")
    if func.attr == "encode" and isinstance(owner, str):
        return owner.encode("utf-8", "replace")
    return UNKNOWN


def _joined(owner: str, parts: ast.expr, value: _Fold) -> Value:
    if not isinstance(parts, ast.List | ast.Tuple):
        return UNKNOWN
    texts = [value(part) for part in parts.elts]
    return owner.join(texts) if all(isinstance(text, str) for text in texts) else UNKNOWN  # type: ignore[arg-type]


def _reversed(node: ast.Subscript, value: _Fold) -> Value:
    text, cut = value(node.value), node.slice
    backwards = isinstance(cut, ast.Slice) and cut.lower is None and cut.upper is None and cut.step is not None
    if isinstance(text, str) and isinstance(cut, ast.Slice) and backwards and cut.step and value(cut.step) == -1:
        return text[::-1]
    return UNKNOWN


def _sign(node: ast.UnaryOp, value: _Fold) -> Value:
    inner = value(node.operand)
    if isinstance(node.op, ast.USub) and isinstance(inner, int | float):
        return -inner
    return not inner if isinstance(node.op, ast.Not) and isinstance(inner, bool) else UNKNOWN


_READERS: Mapping[type[ast.expr], Callable[..., Value]] = {
    ast.BinOp: _sum, ast.JoinedStr: _format, ast.Call: _call, ast.Subscript: _reversed, ast.UnaryOp: _sign,
}  # fmt: skip
