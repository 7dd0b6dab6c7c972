"""Bounds on a CEL rule before it is evaluated: length, nesting of comprehensions, and how often they can loop.

CEL has no loops but comprehensions (``all exists exists_one map filter``); their cost is the product of the
lengths of the lists they run over (CEL specification, section "Evaluation time"). The parser here only finds
where comprehensions nest; what is valid CEL is decided by the evaluator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from countermark.errors import PolicyRefused

MAX_LENGTH = 2000
MAX_DEPTH = 2
MAX_STEPS = 10**6
MAX_PARENTHESES = 64
COMPREHENSIONS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
FORBIDDEN = frozenset({"matches", "sortBy", "flatten", "transformList", "transformMap", "range", "lists"})
_TOKEN = re.compile(
    r"""\s+|//[^\n]*|(?P<text>r?"(?:\\.|[^"\\])*"|r?'(?:\\.|[^'\\])*')|(?P<word>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<mark>.)""",
    re.DOTALL,
)


def check(rule: str, expression: str, lists: dict[str, int]) -> None:
    """Refuse a rule that could run long.

    Args:
        rule: its id, for messages. lists: name of a field -> longest list under that name in the evidence.

    Raises:
        PolicyRefused: too long, nested too deep, a function that is not bounded, or too many steps.
    """
    if len(expression) > MAX_LENGTH:
        raise PolicyRefused(f"rule {rule!r} has {len(expression)} characters", why=f"the limit is {MAX_LENGTH}")
    stack: list[int] = []
    worst = 0
    for word, opens, receiver in _calls(rule, expression):
        if opens:
            steps = max(1, lists.get(receiver, max(lists.values(), default=1))) if word in COMPREHENSIONS else 0
            stack.append(steps)
            depth = sum(1 for s in stack if s)
            if depth > MAX_DEPTH:
                raise PolicyRefused(
                    f"rule {rule!r} nests comprehensions deeper than {MAX_DEPTH}", mend="split the rule"
                )
            product = 1
            for s in stack:
                product *= max(s, 1)
            worst = max(worst, product)
        elif stack:
            stack.pop()
    if worst > MAX_STEPS:
        raise PolicyRefused(
            f"rule {rule!r} could take {worst} steps on this evidence",
            why=f"the limit is {MAX_STEPS}",
            mend="test a shorter list, or split the rule",
        )


def _calls(rule: str, expression: str) -> Iterator[tuple[str, bool, str]]:
    """Parentheses of a rule in order: (word before, opens or closes, field that a method is called on)."""
    words: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(expression):
        word, mark = token.group("word"), token.group("mark")
        if word in FORBIDDEN:
            raise PolicyRefused(f"rule {rule!r} uses {word}(), whose cost is not bounded here")
        if mark == "(":
            depth += 1
            if depth > MAX_PARENTHESES:
                raise PolicyRefused(f"rule {rule!r} nests more than {MAX_PARENTHESES} parentheses")
            yield words[-1] if words else "", True, words[-3] if len(words) > 2 and words[-2] == "." else ""
        elif mark == ")":
            depth -= 1
            yield "", False, ""
        piece = word or mark or token.group("text") or token.group("number")
        if piece:
            words.append(piece)


def list_lengths(evidence: Any) -> dict[str, int]:
    """Field name -> longest list or object found under that name, anywhere in the evidence."""
    out: dict[str, int] = {}
    todo: list[tuple[str, Any]] = [("", evidence)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, list | dict):
            out[name] = max(out.get(name, 0), len(value))
            todo += [(k, v) for k, v in value.items()] if isinstance(value, dict) else [(name, v) for v in value]
    return out
