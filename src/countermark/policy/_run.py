"""Rules as Python closures: what `_parse` took is evaluated here, by CEL's specification.

Source: github.com/google/cel-spec, doc/langdef.md, "Logical Operators" (an error is absorbed where the other side
decides alone), "Macros", "Field Selection". Whoever calls bounds the cost first (`_bounds`) and runs in a child.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from countermark.policy import _values as values
from countermark.policy._parse import Node

Environment = dict[str, Any]
Rule = Callable[[Environment], Any]
WRONG = (ValueError, TypeError, LookupError, ArithmeticError)
"""What a rule may raise: a value is absent, of another type, or out of range."""

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "==": values.equal, "!=": lambda a, b: not values.equal(a, b), "in": values.contained,
    "+": values.add, "-": values.subtract, "*": values.multiply, "/": values.divide, "%": values.remainder,
    **{word: values.compare(word) for word in ("<", "<=", ">", ">=")},
}  # fmt: skip
_CALLS: dict[tuple[str, int], Callable[..., Any]] = {
    ("size", 1): values.size, ("int", 1): values.to_int, ("double", 1): values.to_double,
    ("string", 1): values.to_string, ("timestamp", 1): values.to_timestamp, ("duration", 1): values.to_duration,
    ("startsWith", 2): values.starts, ("endsWith", 2): values.ends, ("contains", 2): values.contains,
}  # fmt: skip
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPE = re.compile(
    r"""\\(?:([abfnrtv\\?"'`])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.?))"""
)
_PLAIN = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


def build(node: Node) -> Rule:
    """A function from the evidence to a value.

    Raises:
        ValueError: a literal that CEL does not have.
    """
    return _BUILDERS[node.kind](node)


def _literal(node: Node) -> Rule:
    value = _constant(node.word)
    return lambda _env: value


def _constant(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if word[0] in "\"'":
        return _ESCAPE.sub(_character, word[1:-1])
    if word.isdecimal():
        return values.in_range(int(word))
    number = float(word)
    if number in (float("inf"),):
        raise ValueError(f"{word} is no double")
    return number


def _character(hit: re.Match[str]) -> str:
    plain, *codes, octal, other = hit.groups()
    if other is not None:
        raise ValueError(f"\\{other} is no escape")
    if plain:
        return _PLAIN.get(plain, plain)
    point = int(octal, 8) if octal else int(next(c for c in codes if c), 16)
    if point > 0x10FFFF or 0xD800 <= point < 0xE000:
        raise ValueError(f"{hit[0]} is no character")
    return chr(point)


def _name(node: Node) -> Rule:
    word = node.word

    def read(env: Environment) -> Any:
        return env[word]

    return read


def _select(node: Node) -> Rule:
    receiver, field = build(node.parts[0]), node.word

    def read(env: Environment) -> Any:
        whole = receiver(env)
        if not isinstance(whole, dict):
            raise TypeError(f"{values.kind(whole)} has no field {field}")
        return whole[field]

    return read


def _index(node: Node) -> Rule:
    receiver, key = map(build, node.parts)
    return lambda env: values.element(receiver(env), key(env))


def _list(node: Node) -> Rule:
    parts = [build(part) for part in node.parts]
    return lambda env: [part(env) for part in parts]


def _operator(node: Node) -> Rule:
    if node.word in ("&&", "||"):
        return _logic(*map(build, node.parts), decides=node.word == "||")
    if node.word == "?:":
        return _choice(*map(build, node.parts))
    if len(node.parts) == 1:
        return _unary(node)
    a, b = map(build, node.parts)
    apply = _BINARY[node.word]
    return lambda env: apply(a(env), b(env))


def _unary(node: Node) -> Rule:
    inner = node.parts[0]
    if node.word == "-" and inner.kind == "literal" and inner.word.isdecimal():
        value = values.in_range(-int(inner.word))  # the smallest int has no positive twin
        return lambda _env: value
    part = build(inner)
    return (lambda env: values.negate(part(env))) if node.word == "-" else (lambda env: not _truth(part(env)))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{values.kind(value)} is neither true nor false")
    return value


def _logic(a: Rule, b: Rule, *, decides: bool) -> Rule:
    def either(env: Environment) -> bool:
        try:
            if _truth(a(env)) is decides:
                return decides
        except WRONG:
            other = b(env)
            if isinstance(other, bool) and other == decides:
                return other
            raise
        return _truth(b(env))

    return either


def _choice(condition: Rule, then: Rule, otherwise: Rule) -> Rule:
    return lambda env: then(env) if _truth(condition(env)) else otherwise(env)


def _call(node: Node) -> Rule:
    if node.word == "has":
        return _has(node.parts[0])
    parts = [build(part) for part in node.parts]
    apply = _CALLS[node.word, len(parts)]
    return lambda env: apply(*[part(env) for part in parts])


def _has(field: Node) -> Rule:
    if field.kind != "select":
        raise ValueError("has() takes a field")
    receiver, name = build(field.parts[0]), field.word

    def look(env: Environment) -> bool:
        whole = receiver(env)
        if not isinstance(whole, dict):
            raise TypeError(f"{values.kind(whole)} has no field {name}")
        return name in whole

    return look


def _loop(node: Node) -> Rule:
    over, bodies, word = build(node.parts[0]), [build(part) for part in node.parts[1:]], node.word

    def run(env: Environment) -> Any:
        whole = over(env)
        if not isinstance(whole, (list, dict)):
            raise TypeError(f"{word}() is not defined for {values.kind(whole)}")
        inner = dict(env)
        turns = _turns(node.variable, list(whole), inner)
        if word in ("all", "exists"):
            return _quantified(turns, bodies[0], inner, decides=word == "exists")
        if word == "exists_one":
            return sum(_truth(bodies[0](inner)) for _ in turns) == 1
        if word == "filter":
            return [item for item in turns if _truth(bodies[0](inner))]
        return [bodies[-1](inner) for _ in turns if len(bodies) == 1 or _truth(bodies[0](inner))]

    return run


def _turns(variable: str, items: list[Any], inner: Environment) -> Any:
    for item in items:
        inner[variable] = item
        yield item


def _quantified(turns: Any, body: Rule, inner: Environment, *, decides: bool) -> bool:
    """``exists`` is a chain of ``||``, ``all`` one of ``&&``: one turn may decide in spite of errors before it."""
    wrong: Exception | None = None
    for _ in turns:
        try:
            if _truth(body(inner)) is decides:
                return decides
        except WRONG as error:
            wrong = wrong or error
    if wrong is not None:
        raise wrong
    return not decides


_BUILDERS: dict[str, Callable[[Node], Rule]] = {
    "literal": _literal, "name": _name, "select": _select, "index": _index, "list": _list, "operator": _operator,
    "call": _call, "loop": _loop,
}  # fmt: skip
