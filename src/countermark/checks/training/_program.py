"""The training code of one recipe as the rules see it: files parsed, names resolved, nothing executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TypeVar, cast
from warnings import catch_warnings, simplefilter

from countermark.checks.training._constants import UNKNOWN, Unknown, Value
from countermark.checks.training._names import UNRESOLVED, Names
from countermark.formats.limits import Malformed, OverLimit

N = TypeVar("N", bound=ast.AST)
MAX_BYTES = 1 << 20
_READS, _LOAD = (ast.Name, ast.Attribute, ast.Subscript, ast.Call), ast.Load()
MAX_NODES = 500_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the dotted name that it may be of, and its node."""

    code: Code
    name: str
    node: ast.Call

    def value(self, keyword: str, position: int | None = None) -> Value:
        """The constant given for a parameter: by keyword, else by position; `Absent` where it is left out.

        ``**options`` may give anything: then what is not written out is `UNKNOWN`.
        """
        found = self.argument(keyword, position)
        if found is None:
            return UNKNOWN if self.open else ABSENT
        return self.code.names.value(found)

    def argument(self, keyword: str, position: int | None = None) -> ast.expr | None:
        """The expression given for a parameter."""
        for one in self.node.keywords:
            if one.arg == keyword:
                return one.value
        at_place = position is not None and len(self.node.args) > position
        return self.node.args[position] if at_place and position is not None else None

    @property
    def shown(self) -> str:
        """The name for people."""
        return shown(self.name)

    @property
    def open(self) -> bool:
        """Whether parameters are spread from something: ``f(*args)``, ``f(**options)``."""
        return any(k.arg is None for k in self.node.keywords) or any(isinstance(a, ast.Starred) for a in self.node.args)


class Unparsed(Malformed):
    """A file that is no Python of this version: what it does is not known."""

    answer = "unproven"


class Absent(Unknown):
    """A parameter that a call leaves out."""


ABSENT = Absent()


@dataclass(frozen=True)
class Code:
    """One parsed file.

    Attributes:
        path: relative, forward slashes. text: its source, as it stands. tree: its syntax tree. lines: line of the syntax tree, from 1, to what a person
            sees: a notebook's cell and line; empty where they are the same.
    """

    path: str
    text: str
    tree: ast.Module
    lines: tuple[str, ...] = ()
    nodes: tuple[ast.AST, ...] = field(default=(), repr=False)

    @cached_property
    def names(self) -> Names:
        """What its names stand for."""
        return Names(self.nodes)

    @cached_property
    def calls(self) -> dict[str, list[Call]]:
        """Every call, by each name that it may be of."""
        out: dict[str, list[Call]] = {}
        for node in self.nodes:
            for name in self.names.of(node.func) if isinstance(node, ast.Call) else ():
                out.setdefault(name, []).append(Call(self, name, cast(ast.Call, node)))
        return out

    @cached_property
    def references(self) -> dict[str, list[ast.expr]]:
        """Every read of a name or attribute, called or not: ``map(eval, lines)`` reads ``builtins.eval``."""
        out: dict[str, list[ast.expr]] = {}
        for node in self.nodes:
            if isinstance(node, _READS) and isinstance(getattr(node, "ctx", None) or _LOAD, ast.Load):
                for name in self.names.of(node):
                    if "()" not in name:  # what a matching call gives is not told again
                        out.setdefault(name, []).append(node)
        return out


@dataclass(frozen=True)
class Program:
    """All code of a recipe.

    Attributes:
        files: parsed. output: the folder that the script may write, relative; "" where no recipe names one.
    """

    files: tuple[Code, ...]
    output: str = ""

    def nodes(self, *kinds: type[N]) -> Iterator[tuple[Code, N]]:
        """Every piece of syntax of some kinds."""
        return ((code, node) for code in self.files for node in code.nodes if isinstance(node, kinds))

    def calls(self, *patterns: str) -> Iterator[Call]:
        """Calls of what matches, each once: an exact dotted name, or ``*`` for any text."""
        for code in self.files:
            some = (call for name, calls in code.calls.items() if matches(name, patterns) for call in calls)
            yield from {id(call.node): call for call in sorted(some, key=_by_name)}.values()

    def references(self, *patterns: str) -> Iterator[tuple[Code, str, ast.expr]]:
        """Reads of what matches, one for each line."""
        for code in self.files:
            some = [
                (n.lineno, name, n) for name, nodes in code.references.items() if matches(name, patterns) for n in nodes
            ]
            yield from {
                line: (code, name, node) for line, name, node in sorted(some, key=_by_line, reverse=True)
            }.values()


def _by_name(call: Call) -> str:
    return call.name


def _by_line(found: tuple[int, str, ast.expr]) -> tuple[int, str]:
    return found[:2]


def shown(name: str) -> str:
    """A dotted name for people: a method of something unknown is called by its own name."""
    return name.removeprefix(f"{UNRESOLVED}.")


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the patterns; ``*`` in a pattern is any text, dots included."""
    return _pattern(patterns).fullmatch(name) is not None


@cache
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(".*".join(map(re.escape, p.split("*"))) for p in patterns))


def parse(path: str, text: str, lines: Sequence[str] = (), shown: str | None = None) -> Code:
    """Parse one file.

    Args:
        lines: see `Code`. shown: what a person sees, line by line, where that is not `text`.

    Raises:
        Unparsed: it is no Python of this version. OverLimit: it is too large.
    """
    if len(text) > MAX_BYTES:
        raise OverLimit("characters of one file", len(text), MAX_BYTES)
    try:
        with catch_warnings():
            simplefilter("ignore")  # invalid escapes warn; what they are is the script's business
            tree = ast.parse(text, filename="recipe")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        raise Unparsed("unparsed", f"{where}{getattr(error, 'msg', None) or error or type(error).__name__}") from error
    nodes = tuple(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise OverLimit("pieces of syntax in one file", len(nodes), MAX_NODES)
    return Code(path, text if shown is None else shown, tree, tuple(lines), nodes)
