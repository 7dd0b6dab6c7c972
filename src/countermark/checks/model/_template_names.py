"""What the names of a template can stand for: whole numbers, or keys of data that a caller passed.

Jinja's ``x[y]`` looks for an attribute where the item is not there. It is harmless where `y` is a whole number, or a key
that some caller's mapping really has. Both are the largest sets that all assignments of the whole template confirm,
in whatever order they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

_ARITHMETIC = frozenset({"Sub", "Mul", "FloorDiv", "Add", "Mod", "Neg", "Pos"})
_COUNTERS = frozenset({"index", "index0", "length", "revindex", "revindex0", "depth", "depth0"})
_MUTATORS = frozenset({"append", "extend", "insert", "update", "setdefault"})
_TEMPLATES_OWN = frozenset({"kwargs", "varargs", "caller", "loop", "dict", "namespace", "cycler", "joiner", "range"})
"""Names that no caller passes: a macro's own call fills ``kwargs``, with any names. (``self`` is refused by its name.)"""
_UNKNOWN = object()
_NUMBER = object()


class Names:
    """Every binding of a template.

    Attributes:
        macros: names of macros. bound: all names that the template binds itself.
    """

    def __init__(self, nodes: list[Any]) -> None:
        """Collect the bindings of all nodes."""
        self.macros = {node.name for node in nodes if type(node).__name__ == "Macro"}
        self._values: dict[str, list[Any]] = {}
        self._loops: list[Any] = []
        self._mutated = self._opaque = False
        for node in nodes:
            self._bind(node)
        for loop in self._loops:
            self._bind_loop(loop)
        self.bound = set(self._values) | self.macros
        self._spaces = {n for n, values in self._values.items() if all(self._makes_space(v) for v in values)}
        self._whole = self._largest(self._whole_value)
        self._data = self._largest(self._data_value)
        self._keys = self._true_keys()

    def is_whole(self, node: Any) -> bool:
        """True where an expression gives whole numbers only."""
        return self._whole_value(node, self._whole)

    def is_key(self, node: Any) -> bool:
        """True for a name that holds keys of a caller's mapping only."""
        return type(node).__name__ == "Name" and node.name in self._keys

    def _put(self, name: str, value: Any) -> None:
        self._values.setdefault(name, []).append(value)

    def _bind(self, node: Any) -> None:
        kind = type(node).__name__
        if kind == "Assign":
            self._assign(node.target, node.node)
        elif kind == "With":
            for target, value in zip(node.targets, node.values, strict=True):
                self._assign(target, value)
        elif kind == "For":
            self._loops.append(node)
        elif kind in ("Macro", "CallBlock", "AssignBlock"):
            for target in node.args if kind != "AssignBlock" else [node.target]:
                self._assign(target, _UNKNOWN)
        elif kind == "Call":
            self._call(node)

    def _call(self, node: Any) -> None:
        self._mutated |= getattr(node.node, "attr", "") in _MUTATORS
        if getattr(node.node, "name", "") == "namespace":
            self._opaque |= bool(node.args or node.dyn_args is not None or node.dyn_kwargs is not None)
            for keyword in node.kwargs:
                self._put(f".{keyword.key}", keyword.value)

    def _assign(self, target: Any, value: Any) -> None:
        whole = type(target).__name__ in ("Name", "NSRef")
        for name in targets(target):
            self._put(name, value if whole else _UNKNOWN)

    def _bind_loop(self, loop: Any) -> None:
        kind, names = type(loop.iter).__name__, list(targets(loop.target))
        value = _UNKNOWN
        if len(names) == 1 and type(loop.target).__name__ == "Name":
            ranged = kind == "Call" and getattr(loop.iter.node, "name", "") == "range"
            value = _NUMBER if ranged and "range" not in self._values and "range" not in self.macros else loop.iter
        for name in names:
            self._put(name, value)

    def _makes_space(self, value: Any) -> bool:
        return type(value).__name__ == "Call" and getattr(value.node, "name", "") == "namespace"

    def _largest(self, confirms: Callable[[Any, set[str]], bool]) -> set[str]:
        kept = set(self._values)
        while bad := {name for name in kept if not all(confirms(value, kept) for value in self._values[name])}:
            kept -= bad
        return kept

    def _whole_value(self, node: Any, whole: set[str]) -> bool:
        kind = type(node).__name__
        if node is _NUMBER or node is _UNKNOWN:
            return node is _NUMBER
        if kind == "Const":
            return type(node.value) in (int, bool)
        if kind == "Name":
            return node.name in whole and not self._is_loop_item(node.name)
        if kind == "Getattr":
            return self._whole_attribute(node, whole)
        if kind == "Filter":
            return node.name in ("length", "count", "int") and not (node.args or node.kwargs or node.dyn_args)
        if kind == "CondExpr":
            return node.expr2 is not None and all(self._whole_value(n, whole) for n in (node.expr1, node.expr2))
        return kind in _ARITHMETIC and all(self._whole_value(n, whole) for n in node.iter_child_nodes())

    def _is_loop_item(self, name: str) -> bool:
        """A loop over something that is no range gives items, whatever the whole of it is."""
        return any(name in targets(loop.target) and _NUMBER not in self._values[name] for loop in self._loops)

    def _whole_attribute(self, node: Any, whole: set[str]) -> bool:
        name = getattr(node.node, "name", "")
        if name == "loop":
            return node.attr in _COUNTERS and "loop" not in self._values and "loop" not in self.macros
        return name in self._spaces and f".{node.attr}" in whole and not self._opaque

    def _data_value(self, node: Any, data: set[str]) -> bool:
        """A path into what the caller passed: names, attributes, constant subscripts; nothing that builds a value."""
        kind = type(node).__name__
        if kind == "Name":
            return node.name in data or (node.name not in self._values and node.name not in _TEMPLATES_OWN)
        if kind == "Getitem" and type(node.arg).__name__ != "Const":
            return False
        return kind in ("Getattr", "Getitem") and self._data_value(node.node, data)

    def _true_keys(self) -> set[str]:
        """Names that loops over items and keys of data bind, and nothing else binds."""
        if self._mutated:
            return set()
        times: dict[str, int] = {}
        for loop in self._loops:
            name = self._key_of(loop)
            if name:
                times[name] = times.get(name, 0) + 1
        return {name for name, count in times.items() if len(self._values[name]) == count}

    def _key_of(self, loop: Any) -> str:
        iterated, kind = loop.iter, type(loop.iter).__name__
        names, pair = list(targets(loop.target)), type(loop.target).__name__ == "Tuple"
        if kind == "Call" and getattr(iterated.node, "attr", "") in ("items", "keys"):
            fits = pair == (iterated.node.attr == "items") and self._data_value(iterated.node.node, self._data)
        elif kind == "Filter" and iterated.name in ("items", "dictsort") and iterated.node is not None:
            fits = pair and self._data_value(iterated.node, self._data)
        else:
            fits = False
        return names[0] if fits else ""


def targets(node: Any) -> Iterator[str]:
    """Names that an assignment binds; attributes of a namespace with a dot before them."""
    kind = type(node).__name__
    if kind == "Name":
        yield node.name
    elif kind == "NSRef":
        yield f".{node.attr}"
    else:
        for inner in node.iter_child_nodes():
            yield from targets(inner)
