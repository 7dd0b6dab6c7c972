"""Which things a name in a program may stand for: ``np.load`` is ``numpy.load``, and so is ``getattr(np, "lo" + "ad")``.

Every name is followed to all it is ever bound to in its file, whatever the order and scope: too much rather than too little, so that
no renaming hides a call. What only running the program would show is ``(unknown)``.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from functools import cache

from countermark.checks.training._constants import UNKNOWN, Value, fold

UNRESOLVED = "(unknown)"
MAX_MEANINGS = 64
MAX_DEPTH = 50
_NOTHING = frozenset({UNRESOLVED})
_ROUNDS = 4
_BUILTINS = frozenset(dir(builtins))
_SAME = {
    "posix": "os", "nt": "os", "_pickle": "pickle", "cPickle": "pickle", "six.moves.cPickle": "pickle", "__builtin__": "builtins",
    "__builtins__": "builtins", "builtins.__builtins__": "builtins", "importlib.__import__": "builtins.__import__", "_io": "io",
    "io.open": "builtins.open", "codecs.open": "builtins.open", "importlib._bootstrap.import_module": "importlib.import_module",
    "os.posix": "os", "numpy.lib.npyio": "numpy", "torch.serialization": "torch", "joblib.numpy_pickle": "joblib",
}  # fmt: skip
"""One thing under several names, as the libraries themselves bind them."""
_IMPLICIT = {"__builtins__": "builtins", "get_ipython": "IPython.get_ipython"}
_IMPORTERS = ("builtins.__import__", "importlib.import_module")
_TABLES = ("sys.modules", "builtins.globals()", "builtins.locals()", "builtins.vars()", "builtins.__dict__")


class Names:
    """What the names of one file stand for."""

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self._meanings: dict[str, set[str]] = {}
        self._stars: set[str] = set()
        self._known: dict[int, frozenset[str]] = {}
        self.constants: dict[str, Value] = {}
        nodes = list(nodes)
        self._import(nodes)
        self._constants(nodes)
        pairs = [pair for node in nodes for pair in _bindings(node)]
        for _ in range(_ROUNDS):
            if not self._follow(pairs):
                break

    def of(self, node: ast.expr | None, depth: int = 0) -> frozenset[str]:
        """All dotted names that an expression may stand for; ``(unknown)`` where that is not known."""
        if node is None or depth > MAX_DEPTH:
            return _NOTHING
        known = self._known.get(id(node))
        if known is None:
            found = sorted({_same(name) for name in self._of(node, depth + 1)})
            known = self._known[id(node)] = frozenset(found[:MAX_MEANINGS]) or _NOTHING
        return known

    def value(self, node: ast.expr | None) -> Value:
        """The constant that an expression is."""
        return UNKNOWN if node is None else fold(node, self.constants)

    def _of(self, node: ast.expr, depth: int) -> set[str]:
        match node:
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(value=owner, attr=attr):
                return {f"{name}.{attr}" for name in self.of(owner, depth)} | self._meanings.get(_key(node), set())
            case ast.Call():
                return self._called(node, depth)
            case ast.Subscript(value=owner, slice=index):
                return self._item(owner, index, depth)
            case ast.IfExp(body=one, orelse=other):
                return {*self.of(one, depth), *self.of(other, depth)}
            case ast.BoolOp(values=values):
                return {name for value in values for name in self.of(value, depth)}
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return set(self.of(value, depth))
        return {UNRESOLVED}

    def _named(self, name: str) -> set[str]:
        found = set(self._meanings.get(name, ()))
        if not found and name in _BUILTINS:
            found.add(f"builtins.{name}")
        if not found and name in _IMPLICIT:
            found.add(_IMPLICIT[name])
        return found | {f"{module}.{name}" for module in self._stars}

    def _called(self, node: ast.Call, depth: int) -> set[str]:
        """What a call gives: an import its module, ``getattr`` the attribute, ``partial`` the function; else ``f()``."""
        out = set()
        for name in self.of(node.func, depth):
            first = node.args[0] if node.args else None
            text = self.value(first)
            if name in _IMPORTERS and isinstance(text, str):
                out.add(text)
            elif name == "builtins.getattr" and len(node.args) > 1:
                attr = self.value(node.args[1])
                out |= {f"{owner}.{attr if isinstance(attr, str) else UNRESOLVED}" for owner in self.of(first, depth)}
            elif name in ("functools.partial", "functools.wraps"):
                out |= self.of(first, depth)
            elif name == "builtins.vars" and first is not None:
                out |= {f"{owner}.__dict__" for owner in self.of(first, depth)}
            else:
                out.add(f"{name}()")
        return out

    def _item(self, owner: ast.expr, index: ast.expr, depth: int) -> set[str]:
        text = self.value(index)
        out = set()
        for name in self.of(owner, depth):
            if not isinstance(text, str):
                out.add(f"{name}[]")
            elif name == "sys.modules":
                out.add(text)
            elif name in _TABLES or name == "builtins":
                out |= self._named(text)
            elif name.endswith(".__dict__"):
                out.add(f"{name.removesuffix('.__dict__')}.{text}")
            else:
                out.add(f"{name}[]")
        return out

    def _import(self, nodes: list[ast.AST]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound, meant = (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
                    self._meanings.setdefault(bound or "", set()).add(meant or "")
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node)

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self._stars.add(module)
            else:
                self._meanings.setdefault(alias.asname or alias.name, set()).add(f"{module}.{alias.name}")

    def _constants(self, nodes: list[ast.AST]) -> None:
        """Names that are bound once, to a constant."""
        count: dict[str, int] = {}
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                count[node.id] = count.get(node.id, 0) + 1
        for target, value in (pair for node in nodes for pair in _bindings(node)):
            if count.get(target) == 1 and (known := fold(value, self.constants)) is not UNKNOWN:
                self.constants[target] = known

    def _follow(self, pairs: list[tuple[str, ast.expr]]) -> bool:
        before = sum(map(len, self._meanings.values()))
        self._known.clear()
        for target, value in pairs:
            found = {name for name in self.of(value) if not name.startswith(UNRESOLVED)}
            if found and len(self._meanings.get(target, ())) < MAX_MEANINGS:
                self._meanings.setdefault(target, set()).update(found)
        self._known.clear()
        return sum(map(len, self._meanings.values())) > before


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names that a node binds to expressions: assignments, ``with ... as``, walrus, defaults of parameters."""
    if isinstance(node, ast.Assign):
        yield from ((_key(target), node.value) for target in node.targets if _key(target))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None and _key(node.target):
        yield _key(node.target), node.value
    elif isinstance(node, ast.withitem) and node.optional_vars is not None and _key(node.optional_vars):
        yield _key(node.optional_vars), node.context_expr
    elif isinstance(node, ast.arguments):
        positional = [*node.posonlyargs, *node.args]
        yield from ((a.arg, d) for a, d in zip(positional[::-1], node.defaults[::-1], strict=False))
        yield from ((a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None)


def _key(node: ast.AST) -> str:
    """What a target is known by: a name, or ``owner.attribute``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


@cache
def _same(name: str) -> str:
    """The name under which the libraries document it."""
    for _ in range(3):
        parts = name.split(".")
        known = next((".".join(parts[:n]) for n in range(1, len(parts) + 1) if ".".join(parts[:n]) in _SAME), None)
        if known is None:
            return name
        name = _SAME[known] + name[len(known) :]
    return name
