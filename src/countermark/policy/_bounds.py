"""What a rule can cost on this very evidence, computed before it is evaluated.

CEL has no loops but its comprehensions; their cost is the product of the lengths they run over (CEL
specification, "Evaluation time"). Lengths are bounded from above: a field is as long as the longest value under
that name anywhere in the evidence, which holds because rules cannot build objects (`_parse`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from countermark.errors import PolicyRefused
from countermark.policy._parse import Node

MAX_STEPS = 10**6
MAX_DEPTH = 64
_CHARACTERS = 32


class Size(NamedTuple):
    """An upper bound on a value.

    Attributes:
        here: its own length as a list or object. inside: the longest list or object in it, itself included.
        weight: values in it, a text counting once per 32 characters.
    """

    here: int
    inside: int
    weight: int


SCALAR = Size(0, 0, 1)


def sizes(evidence: dict[str, Any]) -> dict[str, Size]:
    """Field name -> bound on every value under that name.

    Raises:
        PolicyRefused: the evidence is nested deeper than 64 levels.
    """
    out: dict[str, Size] = {}
    _measure(evidence, out, 0)
    return out


def _measure(value: Any, out: dict[str, Size], depth: int) -> Size:
    if depth > MAX_DEPTH:
        raise PolicyRefused(f"the evidence is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return Size(0, 0, 1 + len(value) // _CHARACTERS)
    if isinstance(value, dict):
        parts = []
        for name, item in value.items():
            size = _measure(item, out, depth + 1)
            out[name] = _larger(out.get(name, SCALAR), size)
            parts.append(size)
        return _joined(parts)
    if isinstance(value, list):
        return _joined([_measure(item, out, depth + 1) for item in value])
    return SCALAR


def _joined(parts: list[Size]) -> Size:
    inside = max((p.inside for p in parts), default=0)
    return Size(len(parts), max(len(parts), inside), 1 + sum(p.weight for p in parts))


def _larger(a: Size, b: Size) -> Size:
    return Size(max(a.here, b.here), max(a.inside, b.inside), max(a.weight, b.weight))


def check(rule: str, node: Node, known: dict[str, Size]) -> int:
    """Upper bound on the steps of a rule.

    Args:
        rule: its id, for messages. known: what `sizes` gave for the evidence.

    Raises:
        PolicyRefused: the bound is above 10**6.
    """
    steps = _cost(node, known, {})[1]
    if steps > MAX_STEPS:
        shown = steps if steps < 10**12 else "more than 10**12"
        raise PolicyRefused(
            f"rule {rule!r} could take {shown} steps on this evidence",
            why=f"the limit is {MAX_STEPS}",
            mend="look at shorter lists, or split the rule",
        )
    return steps


def _cost(node: Node, known: dict[str, Size], bound: dict[str, Size]) -> tuple[Size, int]:
    """Size of the value, and steps to reach it."""
    if node.kind == "loop":
        return _loop(node, known, bound)
    costs = [_cost(part, known, bound) for part in node.parts]
    steps = 1 + sum(c[1] for c in costs)
    inputs = [c[0] for c in costs]
    match node.kind:
        case "name":
            return bound.get(node.word) or known.get(node.word, SCALAR), 1
        case "literal":
            return Size(0, 0, 1 + len(node.word) // _CHARACTERS), 1
        case "select":
            return known.get(node.word, SCALAR), steps
        case "index":
            return _element(inputs[0]), steps
        case "list":
            return _joined(inputs), steps
        case "call":
            return SCALAR, steps + sum(i.weight for i in inputs)
    return _operator(node.word, inputs, steps)


def _operator(word: str, inputs: list[Size], steps: int) -> tuple[Size, int]:
    if word == "+":
        a, b = inputs
        total = Size(a.here + b.here, max(a.inside, b.inside, a.here + b.here), a.weight + b.weight)
        return total, steps + total.weight
    if word == "?:":
        return _larger(inputs[1], inputs[2]), steps
    if word in ("==", "!="):
        return SCALAR, steps + min(i.weight for i in inputs)
    return SCALAR, steps + (inputs[1].weight if word == "in" else 0)


def _element(size: Size) -> Size:
    return Size(size.inside, size.inside, size.weight)


def _loop(node: Node, known: dict[str, Size], bound: dict[str, Size]) -> tuple[Size, int]:
    over, before = _cost(node.parts[0], known, bound)
    inner = bound | {node.variable: _element(over)}
    bodies = [_cost(part, known, inner) for part in node.parts[1:]]
    steps = before + 1 + over.here * (1 + sum(b[1] for b in bodies))
    if node.word == "map":
        body = bodies[-1][0]
        return Size(over.here, max(over.here, body.here, body.inside), 1 + over.here * body.weight), steps
    return (over if node.word == "filter" else SCALAR), steps
