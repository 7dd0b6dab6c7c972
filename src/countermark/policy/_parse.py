"""A bounded parser for the part of CEL that policies may use; it finds every loop before anything runs.

CEL (github.com/google/cel-spec, "Syntax") without what a rule does not need and an attacker would: raw, byte and
triple-quoted strings, comments, map and message literals, and every function that is not listed here. What this
parser takes is valid CEL with the same meaning; the engine in the child parses it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from countermark.errors import PolicyRefused

MAX_LENGTH = 2000
MAX_NESTING = 32
MAX_DEPTH = 100
MAX_LOOP_DEPTH = 2
LOOPS = {"all": (2,), "exists": (2,), "exists_one": (2,), "filter": (2,), "map": (2, 3)}
BEYOND_INT = 1 << 63
FUNCTIONS = {"size": 1, "has": 1, "int": 1, "double": 1, "string": 1, "timestamp": 1, "duration": 1}
METHODS = {"size": 0, "startsWith": 1, "endsWith": 1, "contains": 1}
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
_RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"}
    | {"namespace", "null", "package", "return", "true", "var", "void", "while"}
)
_TOKEN = re.compile(
    r"""[ \t\n]*(?:(?P<text>"(?:\\[^\n]|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])*')"""
    r"""|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|(?P<word>[A-Za-z_]\w*(?!["'\w]))"""
    r"""|(?P<mark>\|\||&&|==|!=|<=|>=|[-+*/%<>!?:.,()\[\]])|(?P<end>$))""",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Node:
    """One piece of a rule.

    Attributes:
        kind: literal, name, select, index, list, operator, call or loop. word: the name, field, operator or function.
        parts: operands, the receiver first; in a loop the receiver and the bodies. variable: of a loop.
        depth: levels of nodes below and including this one.
    """

    kind: str
    word: str
    parts: tuple[Node, ...] = ()
    variable: str = ""
    depth: int = 1


def parse(rule: str, text: str) -> Node:
    """Parse one rule.

    Raises:
        PolicyRefused: too long, too deep, loops within loops within loops, or not of this part of CEL.
    """
    if len(text) > MAX_LENGTH:
        raise PolicyRefused(f"rule {rule!r} has {len(text)} characters", why=f"the limit is {MAX_LENGTH}")
    return _Parser(rule, _tokens(rule, text)).whole()


def _tokens(rule: str, text: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    at = 0
    while True:
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup is None:
            near = text[at : at + 20].strip()
            raise PolicyRefused(
                f"rule {rule!r} cannot be read at {near!r}",
                why="raw, byte and triple-quoted strings, comments, and other numbers than decimals are not taken",
            )
        if token.lastgroup == "end":
            return [*out, ("end", "")]
        out.append((token.lastgroup, token.group(token.lastgroup)))
        at = token.end()


class _Parser:
    """Recursive descent with a counter: no text makes it recurse deeper than `MAX_NESTING`."""

    def __init__(self, rule: str, tokens: list[tuple[str, str]]) -> None:
        self._rule, self._tokens, self._at, self._nesting, self._loops = rule, tokens, 0, 0, 0

    def whole(self) -> Node:
        node = self._expression()
        self._expect("end", "")
        return node

    def _refuse(self, what: str, mend: str = "") -> PolicyRefused:
        return PolicyRefused(f"rule {self._rule!r} {what}", mend=mend)

    def _node(self, kind: str, word: str, parts: tuple[Node, ...], variable: str = "") -> Node:
        depth = 1 + max((p.depth for p in parts), default=0)
        if depth > MAX_DEPTH:
            raise self._refuse(f"chains more than {MAX_DEPTH} operations", "split the rule")
        return Node(kind, word, parts, variable, depth)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _takes(self, word: str) -> bool:
        kind, seen = self._peek()
        if seen == word and kind in ("mark", "word"):
            self._at += 1
            return True
        return False

    def _expect(self, kind: str, word: str) -> None:
        seen_kind, seen = self._next()
        if seen_kind != kind or seen != word:
            raise self._refuse(f"has {seen or 'its end'!r} where {word or 'its end'!r} is due")

    def _expression(self) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._refuse(f"is nested deeper than {MAX_NESTING} levels")
        node = self._binary(0)
        if self._takes("?"):
            then = self._binary(0)
            self._expect("mark", ":")
            node = self._node("operator", "?:", (node, then, self._expression()))
        self._nesting -= 1
        return node

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        while self._peek()[0] in ("mark", "word") and self._peek()[1] in _LEVELS[level]:
            operator = self._next()[1]
            node = self._node("operator", operator, (node, self._binary(level + 1)))
        return node

    def _unary(self) -> Node:
        for operator in ("!", "-"):
            count = 0
            while self._takes(operator):
                count += 1
            if count > 1:
                raise self._refuse(f"repeats {operator!r}")
            if count and operator == "-" and self._peek() == ("number", str(BEYOND_INT)):
                return self._node("operator", "-", (Node("literal", self._next()[1]),))  # it has no positive twin
            if count:
                return self._node("operator", operator, (self._member(),))
        return self._member()

    def _member(self) -> Node:
        node = self._primary()
        while True:
            if self._takes("."):
                node = self._dotted(node)
            elif self._takes("["):
                node = self._node("index", "", (node, self._expression()))
                self._expect("mark", "]")
            else:
                return node

    def _dotted(self, receiver: Node) -> Node:
        kind, word = self._next()
        if kind != "word" or word in _RESERVED:
            raise self._refuse(f"has {word!r} where a field is due")
        if not self._takes("("):
            return self._node("select", word, (receiver,))
        if word in LOOPS:
            return self._loop(receiver, word)
        arguments = self._arguments(")")
        self._known(word, METHODS, len(arguments))
        return self._node("call", word, (receiver, *arguments))

    def _loop(self, receiver: Node, word: str) -> Node:
        kind, variable = self._next()
        if kind != "word" or variable in _RESERVED:
            raise self._refuse(f"has {variable!r} where the variable of {word}() is due")
        self._expect("mark", ",")
        self._loops += 1
        if self._loops > MAX_LOOP_DEPTH:
            raise self._refuse(f"nests loops deeper than {MAX_LOOP_DEPTH}", "split the rule")
        bodies = self._arguments(")")
        self._loops -= 1
        if len(bodies) + 1 not in LOOPS[word]:
            raise self._refuse(f"gives {word}() {len(bodies) + 1} arguments")
        return self._node("loop", word, (receiver, *bodies), variable)

    def _arguments(self, end: str) -> tuple[Node, ...]:
        out: list[Node] = []
        while not self._takes(end):
            if out:
                self._expect("mark", ",")
            out.append(self._expression())
        return tuple(out)

    def _known(self, word: str, known: dict[str, int], count: int) -> None:
        if known.get(word) != count:
            raise self._refuse(
                f"calls {word}() with {count} arguments, which is not bounded here",
                f"loops: {', '.join(LOOPS)}; functions: {', '.join({**FUNCTIONS, **METHODS})}",
            )

    def _primary(self) -> Node:
        kind, word = self._next()
        if kind in ("text", "number") or (kind == "word" and word in ("true", "false", "null")):
            if kind == "number" and word.isdecimal() and int(word) >= BEYOND_INT:
                raise self._refuse(f"has the number {word:.30}, which 64 bits do not hold")
            return Node("literal", word)
        if kind == "word" and word not in _RESERVED:
            if not self._takes("("):
                return Node("name", word)
            arguments = self._arguments(")")
            self._known(word, FUNCTIONS, len(arguments))
            return self._node("call", word, arguments)
        if word == "(":
            node = self._expression()
            self._expect("mark", ")")
            return node
        if word == "[":
            return self._node("list", "", self._arguments("]"))
        raise self._refuse(f"has {word or 'its end'!r} where a value is due")


def roots(node: Node, bound: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names that a rule takes from the evidence: those that no loop of its own binds."""
    if node.kind == "name":
        return frozenset() if node.word in bound else frozenset({node.word})
    inner = bound | {node.variable} if node.kind == "loop" else bound
    first, rest = node.parts[:1], node.parts[1:]
    return frozenset().union(*(roots(p, bound) for p in first), *(roots(p, inner) for p in rest))


def conjuncts(rule: str, text: str) -> list[str]:
    """The parts of a rule that all have to hold, as written: what stands between ``&&`` outside all brackets.

    Raises:
        PolicyRefused: as `parse`.
    """
    depth, start, out, at = 0, 0, list[str](), 0
    for kind, word in _tokens(rule, text)[:-1]:
        at = text.index(word, at)
        if kind == "mark":
            depth += (word in "([") - (word in ")]")
            if not depth and word in ("||", "?"):
                return [text.strip()]
            if not depth and word == "&&":
                out.append(text[start:at].strip())
                start = at + len(word)
        at += len(word)
    return [*out, text[start:].strip()]
