"""What a rule can cost on this very evidence, computed before it is evaluated.

CEL has no loops but its comprehensions; their cost is the product of the lengths they run over (CEL
specification, "Evaluation time"). Lengths are bounded from above: a field is as long as the longest value under
that name anywhere in the evidence, which holds because rules cannot build objects (`_parse`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from countermark.errors import PolicyRefused
from countermark.policy._parse import Node

MAX_TURNS = 10**6
MAX_WORK = 4 * 10**7
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


class Cost(NamedTuple):
    """What reaching a value takes.

    Attributes:
        size: of the value. turns: of all loops together, a loop within a loop multiplied. work: operations, and
            values compared or copied.
    """

    size: Size
    turns: int = 0
    work: int = 1


def check(rule: str, node: Node, known: dict[str, Size]) -> Cost:
    """Upper bound on what a rule takes.

    Args:
        rule: its id, for messages. known: what `sizes` gave for the evidence.

    Raises:
        PolicyRefused: more than 10**6 turns of its loops, or 4 * 10**7 operations (some seconds of one core).
    """
    cost = _cost(node, known, {})
    for count, most, what in ((cost.turns, MAX_TURNS, "turns of its loops"), (cost.work, MAX_WORK, "operations")):
        if count > most:
            shown = count if count < 10**12 else "more than 10**12"
            raise PolicyRefused(
                f"rule {rule!r} could take {shown} {what} on this evidence",
                why=f"the limit is {most}",
                mend="look at shorter lists, or split the rule",
            )
    return cost


def _cost(node: Node, known: dict[str, Size], bound: dict[str, Size]) -> Cost:
    if node.kind == "loop":
        return _loop(node, known, bound)
    costs = [_cost(part, known, bound) for part in node.parts]
    turns, work = sum(c.turns for c in costs), 1 + sum(c.work for c in costs)
    inputs = [c.size for c in costs]
    match node.kind:
        case "name":
            return Cost(bound.get(node.word) or known.get(node.word, SCALAR))
        case "literal":
            return Cost(Size(0, 0, 1 + len(node.word) // _CHARACTERS))
        case "select":
            return Cost(known.get(node.word, SCALAR), turns, work)
        case "index":
            return Cost(_element(inputs[0]), turns, work)
        case "list":
            return Cost(_joined(inputs), turns, work)
        case "call":
            return Cost(SCALAR, turns, work + sum(i.weight for i in inputs))
    size, more = _operator(node.word, inputs)
    return Cost(size, turns, work + more)


def _operator(word: str, inputs: list[Size]) -> tuple[Size, int]:
    """Size of the result, and work beyond the operands'."""
    if word == "+":
        a, b = inputs
        total = Size(a.here + b.here, max(a.inside, b.inside, a.here + b.here), a.weight + b.weight)
        return total, total.weight
    if word == "?:":
        return _larger(inputs[1], inputs[2]), 0
    if word in ("==", "!="):
        return SCALAR, min(i.weight for i in inputs)
    return SCALAR, inputs[1].weight if word == "in" else 0


def _element(size: Size) -> Size:
    return Size(size.inside, size.inside, size.weight)


def _loop(node: Node, known: dict[str, Size], bound: dict[str, Size]) -> Cost:
    """Turns multiply; `map` and `filter` also copy what they have gathered at every turn."""
    over = _cost(node.parts[0], known, bound)
    here = over.size.here
    inner = bound | {node.variable: _element(over.size)}
    bodies = [_cost(part, known, inner) for part in node.parts[1:]]
    turns = over.turns + here * max(1, sum(b.turns for b in bodies))
    work = over.work + 1 + here * (1 + sum(b.work for b in bodies))
    if node.word == "map":
        body = bodies[-1].size
        size = Size(here, max(here, body.here, body.inside), 1 + here * body.weight)
    else:
        size = over.size if node.word == "filter" else SCALAR
    return Cost(size, turns, work + (here * size.weight if node.word in ("map", "filter") else 0))
