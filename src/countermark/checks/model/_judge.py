"""Judges what a pickle names and calls, while an abstract machine follows it.

Anything that no list allows is either refused, because it is known to run code or to reach outside, or a doubt: nothing
is known of it, and the file stays unproven.
"""

from __future__ import annotations

from countermark.checks.model import _names
from countermark.checks.model._names import Entry
from countermark.checks.model._shapes import fits, named_in
from countermark.finding import Finding, Where
from countermark.formats.pickle import values as v
from countermark.formats.pickle.excerpt import excerpt
from countermark.formats.pickle.machine import wrong
from countermark.formats.pickle.values import Made, Name, Value
from countermark.sandbox.task import Source

CHECK = "model/pickle"
MOST = 100
DECLARED = Entry(
    frozenset({"reduce", "newobj", "build", "setitem", "append", "additems", "reference"}), "any", "recipe"
)
_CANNOT_TELL = "what the code would do; it was not run"
_SAFETENSORS = "convert to safetensors where it was made, and deliver that"


class PickleJudge:
    """What one file's streams may do.

    Attributes:
        path: of the file. findings: what is refused. doubts: names that nothing is known of, with their first offset.
        names: every name seen, with how it was used. by_recipe: those of them that no list has, but the recipe. declared: (module, class) that the recipe lets the model contain.
    """

    declared: frozenset[tuple[str, str]] = frozenset()

    def __init__(self, path: str, inside: str = "") -> None:
        self.path = f"{path}!{inside}" if inside else path
        self.findings: list[Finding] = []
        self.doubts: dict[str, int] = {}
        self.names: dict[str, set[str]] = {}
        self.by_recipe: set[str] = set()
        self._source: Source | None = None

    def begins(self, source: Source) -> None:
        """As `Judge.begins`: findings show the opcodes that they are about."""
        self._source = source

    def name(self, module: str, qualname: str, at: int) -> Name:
        """As `Judge.name`: an exact entry, else a refusal or a doubt."""
        entry = _names.allowed(module, qualname) or self._declared(module, qualname)
        made = Name(module, qualname, at, entry)
        self.names.setdefault(made.full, set())
        if entry is None:
            self._unlisted(made, at)
        return made

    def _declared(self, module: str, qualname: str) -> Entry | None:
        """A class that the recipe names: any use of it is its own code's. What is known to run code is never one."""
        if (module, qualname) not in self.declared or _names.refusal(module, qualname) or _names.uncallable(module):
            return None
        self.by_recipe.add(f"{module}:{qualname}")
        return DECLARED

    def _unlisted(self, made: Name, at: int) -> None:
        known = _names.refusal(made.module, made.qualname)
        if known is not None:
            self.refuse("names", f"names {made.full}: {known.why}", at, known.advisory)
        elif "." in made.qualname:
            self.refuse("dotted", f"names {made.full}, an attribute of an attribute", at)
        elif "__" in made.qualname or not all(part.isidentifier() for part in made.full.split(".")):
            self.refuse("special", f"names {made.full[:200]!r}, which is no plain class or function", at)
        else:
            self.doubts.setdefault(made.full, at)

    def call(self, role: str, function: Value, args: Value, at: int) -> Value:
        """As `Judge.call`: only what a list allows in this role, with arguments of its shape."""
        if not isinstance(function, Name):
            self.refuse("calls-result", f"calls {v.kind(function)}, which is no named function", at)
            return Made(None)
        self.names[function.full].add(role)
        if role in ("inst", "obj"):
            self.refuse(
                role, f"calls {function.full} by {role.upper()}, an opcode that no pickler has written since 1998", at
            )
        elif function.entry is not None:
            self._check_call(role, function, args, at)
        elif role == "reduce" and (known := _names.uncallable(function.module)) is not None:
            self.refuse("calls", f"calls {function.full}: {known.why}", at, known.advisory)
        return Made(_class_of(function, args), args, self._facts(function, args))

    def _check_call(self, role: str, function: Name, args: Value, at: int) -> None:
        wanted = "newobj" if role == "newobj_ex" else role
        if wanted not in function.entry.roles:
            self.refuse("role", f"{function.full} is used in {role.upper()}, which it is not listed for", at)
        elif wanted == "reduce" and not fits(function.entry.arguments, args):
            self.refuse(
                "arguments",
                f"{function.full} is called with {v.kind(args)} of another shape than it is listed with",
                at,
            )
        for name in named_in(args):
            if name.entry is not None and "reference" not in name.entry.roles and "newobj" not in name.entry.roles:
                self.refuse("role", f"{name.full} is handed to {function.full}", at)

    def _facts(self, function: Name, args: Value) -> object:
        """The number of elements of a storage goes with the parameter that wraps its tensor."""
        return args[0].facts if isinstance(args, tuple) and args and isinstance(args[0], Made) else None

    def build(self, target: Value, state: Value, at: int, after: int) -> int:
        """As `Judge.build`: attributes are set on made objects only, never on a class or a function."""
        if not isinstance(target, Made):
            self.refuse("build", f"sets attributes of {v.kind(target)}", at)
        elif not _takes_state(target):
            self.refuse("build", f"sets the state of {v.kind(target)}", at)
        if isinstance(target, Made):
            target.state = state
        return after

    def extend(self, role: str, target: Value, at: int) -> None:
        """As `Judge.extend`: a subclass of list or dict whose methods are known."""
        if not isinstance(target, Made):
            raise wrong("target", f"{role} on {v.kind(target)}", at)
        if target.of is not None and target.of.entry is not None and role not in target.of.entry.roles:
            self.refuse("target", f"{role} on {v.kind(target)}", at)

    def persistent(self, id: Value, at: int) -> Value:
        """As `Judge.persistent`: outside of a container that knows its ids there is nobody to ask."""
        self.refuse("persistent-id", "asks the loader for something by an id", at)
        return Made(None)

    def refuse(self, rule: str, what: str, at: int, advisory: str = "") -> None:
        """Note a finding; only so many are kept."""
        if len(self.findings) < MOST:
            shown = excerpt(self._source, at) if self._source else ""
            why = "; ".join(filter(None, ("whoever loads the file runs this", shown, advisory)))
            self.findings.append(
                Finding(CHECK, f"pickle-{rule}", "critical", 1.0, what, Where(path=self.path, offset=at), why=why,
                        fix=_SAFETENSORS, cannot_tell=_CANNOT_TELL)
            )  # fmt: skip


def _class_of(function: Name, args: Value) -> Name:
    """Of what a call makes: protocols before 2 have a function make an empty object of the class that they give it."""
    given = function.full == "copyreg._reconstructor" and isinstance(args, tuple) and args
    return args[0] if given and isinstance(args[0], Name) else function


def _takes_state(target: Made) -> bool:
    """Whether the list says so; of unlisted names nothing is known anyway."""
    if target.of is None or target.of.entry is None:
        return True
    return "build" in target.of.entry.roles
