"""Chat templates: parsed with jinja2 and never rendered; every node of the syntax tree must be of an allowed kind.

A template can reach Python's own objects only through an attribute. All attributes, and all subscripts that jinja2
falls back to attributes for, are therefore constants that are looked at, or provably whole numbers or keys of data.
Source: jinja2 3.1, `environment.py` (getattr, getitem) and `sandbox.py`; CVE-2024-34359, CVE-2026-5760.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from countermark.checks.model._lists import listed
from countermark.checks.model._template_names import Names
from countermark.finding import Finding, Where

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_TEXT = 256 << 10
MOST_NODES = 50_000
_LIST = "chat-template"
_STRUCTURE = frozenset(
    ["Template", "Output", "TemplateData", "Name", "NSRef", "Const", "Tuple", "List", "Dict", "Pair", "Keyword", "CondExpr", "For", "If", "Macro", "CallBlock", "FilterBlock", "With", "Assign", "AssignBlock", "Getattr", "Getitem", "Slice", "Filter", "Test", "Call", "Concat", "Compare", "Operand", "And", "Or", "Not", "Neg", "Pos", "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow", "Break", "Continue", "ExprStmt", "Block", "ScopedEvalContextModifier", "Scope", "EvalContextModifier"]
)  # fmt: skip
_REACHING = frozenset({"Import", "FromImport", "Include", "Extends"})
_PLACE = {
    "selectattr": 0,
    "rejectattr": 0,
    "groupby": 0,
    "sum": 0,
    "sort": 2,
    "unique": 1,
    "min": 1,
    "max": 1,
    "join": 1,
}
"""Filters that look an attribute up by a text, and which argument that is."""
_BY_ATTRIBUTE = frozenset({"map", *_PLACE})
_BY_NAME = frozenset({"map", "select", "reject", "selectattr", "rejectattr"})
_DUNDER = re.compile(r"__\w+__|\\x5f", re.IGNORECASE)


@dataclass(slots=True)
class TemplateJudge:
    """What a template does that it may not, and what is not known to be harmless.

    Attributes:
        refusals: rule to (what, line). doubts: what no list has. parser: name and version, empty where it is absent.
    """

    refusals: dict[str, tuple[str, int]] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)
    parser: str = ""

    def refuse(self, rule: str, what: str, node: Any) -> None:
        """Keep the first one of each rule."""
        self.refusals.setdefault(rule, (what, node.lineno))

    def doubt(self, what: str, line: int = 0) -> None:
        """Keep what could not be told."""
        self.doubts.setdefault(what, line)


def judge(text: str) -> TemplateJudge:
    """Parse a chat template and look at every node; nothing is rendered or compiled.

    Args:
        text: up to 256 KiB; more is a doubt.
    """
    said = TemplateJudge()
    if len(text) > MOST_TEXT:
        said.doubt(f"a template of {len(text)} characters, where the limit is {MOST_TEXT}")
        return said
    nodes = _parsed(text, said)
    if len(nodes) > MOST_NODES:
        said.doubt(f"a template of more than {MOST_NODES} nodes")
    elif nodes:
        _Walk(said, nodes).run()
    return said


def _parsed(text: str, said: TemplateJudge) -> list[Any]:
    """Every node of the template, as far as it can be parsed here; nothing is compiled."""
    try:
        import jinja2
    except ImportError:
        said.doubt("a chat template, and jinja2 is not installed to parse it")
        return []
    said.parser = f"jinja2 {jinja2.__version__}"
    try:
        return _all(_environment().parse(text))
    except (jinja2.TemplateError, ValueError, RecursionError, OverflowError) as error:
        said.doubt(f"a template that jinja2 does not parse: {type(error).__name__} {str(error)[:80]}")
        return []


def _environment() -> Environment:
    """One that parses what chat templates are written in."""
    import jinja2
    from jinja2.ext import Extension

    class Generation(Extension):
        """The tag of transformers that marks what an assistant wrote."""

        tags = frozenset({"generation"})  # type: ignore[assignment]

        def parse(self, parser: Any) -> Any:
            """Its body, and nothing else."""
            line = next(parser.stream).lineno
            return jinja2.nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    return jinja2.Environment(  # noqa: S701 - parses, never renders
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", Generation]
    )


def _all(tree: Any) -> list[Any]:
    out, todo = [], [tree]
    while todo:
        node = todo.pop()
        out.append(node)
        if len(out) > MOST_NODES:
            break
        todo += node.iter_child_nodes()
    return out


class _Walk:
    """One pass over all nodes, with what is known of every name of the whole template."""

    def __init__(self, said: TemplateJudge, nodes: list[Any]) -> None:
        self._said, self._nodes = said, nodes
        self._names = Names(nodes)

    def run(self) -> None:
        for node in self._nodes:
            kind = type(node).__name__
            if kind in _REACHING:
                self._said.refuse("template-import", f"{kind.lower()} reads another template", node)
            elif kind not in _STRUCTURE:
                self._said.doubt(f"the construct {kind}", node.lineno)
            elif (look := getattr(self, f"_{kind.lower()}", None)) is not None:
                look(node)

    def _name(self, node: Any) -> None:
        self._attribute(node.name, node, "name")
        if node.name in listed(_LIST, "refused-function"):
            self._said.refuse("template-name", f"the name {node.name}", node)

    def _const(self, node: Any) -> None:
        if isinstance(node.value, str) and _DUNDER.search(node.value) and _reaches(node.value):
            self._said.refuse("template-attribute", f"the text {node.value[:60]!r} names an inner attribute", node)

    def _getattr(self, node: Any) -> None:
        self._attribute(node.attr, node, "attribute")

    def _attribute(self, name: str, node: Any, what: str) -> None:
        if name.startswith("_") or name in listed(_LIST, "refused-attribute"):
            rule = "template-attribute" if what == "attribute" else "template-name"
            self._said.refuse(rule, f"the {what} {name[:60]!r}", node)

    def _getitem(self, node: Any) -> None:
        kind = type(node.arg).__name__
        if kind == "Const":
            if isinstance(node.arg.value, str):
                self._attribute(node.arg.value, node, "attribute")
        elif kind == "Slice" or self._names.is_whole(node.arg) or self._names.is_key(node.arg):
            return
        elif any(isinstance(n.value, str) for n in _consts(node.arg)):
            self._said.refuse("template-computed", "a subscript that is put together at run time", node)
        else:
            self._said.doubt("a subscript that is known only at run time", node.lineno)

    def _nsref(self, node: Any) -> None:
        self._attribute(node.attr, node, "attribute")

    def _filter(self, node: Any) -> None:
        self._filter_name(node.name, node)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self._said.doubt("arguments that are known only at run time", node.lineno)
        if node.name in _BY_ATTRIBUTE:
            self._by_attribute(node)
        if node.name in _BY_NAME and not self._takes_attribute(node):
            self._by_name(node, 1 if node.name.endswith("attr") else 0)

    def _filter_name(self, name: str, node: Any) -> None:
        if name in listed(_LIST, "refused-filter"):
            self._said.refuse("template-filter", f"the filter {name}", node)
        elif name not in listed(_LIST, "filter"):
            self._said.doubt(f"the filter {name[:60]}", node.lineno)

    def _takes_attribute(self, node: Any) -> bool:
        return node.name == "map" and not node.args and any(k.key == "attribute" for k in node.kwargs)

    def _by_attribute(self, node: Any) -> None:
        """Filters that look an attribute up by a text: each of its dotted parts counts."""
        named = [k.value for k in node.kwargs if k.key == "attribute"]
        place = _PLACE.get(node.name, len(node.args))
        for value in named + node.args[place : place + 1]:
            if type(value).__name__ != "Const":
                self._said.refuse("template-computed", f"{node.name} by an attribute put together at run time", node)
            elif isinstance(value.value, str):
                for part in value.value.split("."):
                    self._attribute(part, node, "attribute")

    def _by_name(self, node: Any, place: int) -> None:
        """Filters that apply another filter or test by its name."""
        if len(node.args) <= place:
            return
        value, kind = node.args[place], "filter" if node.name == "map" else "test"
        name = value.value if type(value).__name__ == "Const" else None
        if not isinstance(name, str):
            self._said.refuse("template-computed", f"{node.name} by a name put together at run time", node)
        elif kind == "filter":
            self._filter_name(name, node)
            if name in _BY_ATTRIBUTE | _BY_NAME and len(node.args) + len(node.kwargs) > 1:
                self._said.doubt(f"map over the filter {name} with arguments", node.lineno)
        elif name not in listed(_LIST, "test"):
            self._said.doubt(f"the test {name[:60]}", node.lineno)

    def _test(self, node: Any) -> None:
        if node.name not in listed(_LIST, "test"):
            self._said.doubt(f"the test {node.name[:60]}", node.lineno)

    def _call(self, node: Any) -> None:
        kind = type(node.node).__name__
        name = getattr(node.node, "name" if kind == "Name" else "attr", "")
        if kind == "Name" and (name in self._names.macros or name in listed(_LIST, "function") - self._names.bound):
            return
        if kind == "Getattr" and name in listed(_LIST, "method"):
            return
        if kind == "Getattr" and getattr(node.node.node, "name", "") == "loop" and name in ("cycle", "changed"):
            return
        self._said.doubt(f"a call of {name[:60] or kind.lower()}", node.lineno)


def _consts(node: Any) -> Iterator[Any]:
    """Constants anywhere in an expression."""
    if type(node).__name__ == "Const":
        yield node
    for inner in node.iter_child_nodes():
        yield from _consts(inner)


def _reaches(text: str) -> bool:
    """True where a text holds the name of an attribute that leads out of a template."""
    inner = ("class", "globals", "builtins", "init", "import", "mro", "base", "bases", "subclasses", "getattribute", "dict",
             "call", "getitem", "code", "closure", "func", "self", "module", "reduce", "new")  # fmt: skip
    return "\\x5f" in text.lower() or any(f"__{word}__" in text for word in inner)


def findings(check: str, path: str, key: str, at: int, judged: TemplateJudge) -> list[Finding]:
    """What a chat template does that it may not, as findings.

    Args:
        check: who says so. path: the file. key: setting that holds the template. at: byte where it stands.
    """
    return [
        Finding(
            check, rule, "high", 1.0, f"{key}, line {line}: {what}", Where(path=path, offset=at),
            why="a runtime that renders it outside a sandbox runs any code with it (CVE-2024-34359, CVE-2026-5760)",
            fix="take the chat template from a source that you trust, or remove it",
            cannot_tell="whether the runtime renders templates in a sandbox",
        )
        for rule, (what, line) in judged.refusals.items()
    ]  # fmt: skip
