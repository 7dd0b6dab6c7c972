"""Lists and tables with one entry less, or with one role more: who would notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any
from unittest import mock

from probes import Answer, Probe, probes
from streams import STOP, call, name

from countermark.checks.model import (
    _keras,
    _lists,
    _names,
    _template,
    _template_names,
    _torchscript,
    code,
    config,
    coreml,
    coverage,
    format_name,
    skops,
)  # fmt: skip
from countermark.checks.model._check import Look
from countermark.checks.model._look import look_at
from countermark.formats import onnx
from countermark.formats.source import Memory

TABLES: tuple[tuple[ModuleType, str], ...] = (
    (_keras, "_FETCHING"), (_keras, "_PATHS"), (_keras, "_UNSAFE_ROOMS"), (code, "_MAGIC"), (code, "_EXTENSIONS"), (config, "KEYS"),
    (format_name, "_CLAIMS"), (format_name, "_PICKLES"), (coverage, "_UNREAD"), (coreml, "_REACHING"), (skops, "_REFUSED"),
    (onnx, "REACHING"), (_template, "_REACHING"), (_template, "_PLACE"), (_template, "_BY_ATTRIBUTE"), (_template, "_BY_NAME"),
    (_template_names, "_MUTATORS"), (_template_names, "_TEMPLATES_OWN"), (_torchscript, "_FILES"), (_torchscript, "_REFUSED_METHODS"),
)  # fmt: skip
"""Tables of what is refused: module and name."""
LISTS = {
    "keras": ("refused-class",), "tensorflow": ("refused-operator", "saver"),
    "chat-template": ("refused-filter", "refused-function", "refused-attribute"),
}  # fmt: skip
"""Lists of the grammars: which kinds of their lines refuse."""
ROLES = ("reduce", "newobj", "build", "setitem", "append", "additems", "reference")
Unnoticed = tuple[str, int, list[str]]
Some = Callable[[list[Any]], list[Any]]


def all_of_them(some: Some = list) -> Iterator[Unnoticed]:
    """Title, how many entries, and those that nobody would miss.

    Args:
        some: chooses among the entries of each kind; by default all of them.
    """
    asked = probes()
    said = {probe.name: probe.ask() for probe in asked}
    tables = [(module, table, entry) for module, table in TABLES for entry in sorted(getattr(module, table), key=str)]
    lines = [(g, row) for g, kinds in LISTS.items() for row in _names.rows(f"{g}.names") if row[0] in kinds]
    for title, entries, missed in (
        ("tables", tables, partial(table_is_missed, asked, said)), ("lists of grammars", lines, partial(line_is_missed, asked, said)),
        ("refused names", refused_rows(), is_missed), ("roles not listed", missing_roles(), role_is_missed), ("roles listed", listed_roles(), role_is_needed),
    ):  # fmt: skip
        chosen = some(entries)
        yield title, len(chosen), [" ".join(map(str, entry)) for entry in chosen if not missed(entry)]


def _near(asked: list[Probe], word: bytes) -> list[Probe]:
    """Probes that hold a word, or are called by it."""
    return [p for p in asked if word.lower() in p.data.lower() or p.name.endswith(word.decode("latin-1"))]


def _changes(asked: list[Probe], said: dict[str, Answer]) -> bool:
    return any(probe.ask() != said[probe.name] for probe in asked)


def table_is_missed(asked: list[Probe], said: dict[str, Answer], element: tuple[ModuleType, str, Any]) -> bool:
    """Whether some file is answered otherwise when a table of what is refused lacks one element."""
    module, table, entry = element
    whole = getattr(module, table)
    less: Any = (
        {k: v for k, v in whole.items() if k != entry}
        if isinstance(whole, dict)
        else type(whole)(e for e in whole if e != entry)
    )
    # The templates' tables hold names of jinja's nodes, which no template spells that way.
    near = (
        [probe for probe in asked if "/template-" in probe.name] if module is _template else _near(asked, _word(entry))
    )
    with mock.patch.object(module, table, less):
        return _changes(near, said)


def _word(entry: Any) -> bytes:
    """What stands in a file that the entry is about."""
    if isinstance(entry, tuple):  # magics, and operators with their domain
        entry = entry[0] if isinstance(entry[0], bytes) else entry[-1]
    if isinstance(entry, bytes):
        return entry
    return b"" if isinstance(entry, int) else entry.rpartition(":")[2].lstrip(".").encode()


@contextmanager
def _without_row(row: list[str], file: str) -> Iterator[None]:
    real = _names.rows

    def less(asked: str) -> list[list[str]]:
        return [r for r in real(asked) if asked != file or r != row]

    with mock.patch.object(_lists, "rows", less):
        _lists.listed.cache_clear()
        try:
            yield
        finally:
            _lists.listed.cache_clear()


def line_is_missed(asked: list[Probe], said: dict[str, Answer], line: tuple[str, list[str]]) -> bool:
    """Whether some file is answered otherwise when a grammar's list lacks one line that refuses."""
    grammar, row = line
    with _without_row(row, f"{grammar}.names"):
        return _changes(_near(asked, row[1].encode()), said)


def told(data: bytes) -> Answer:
    """What is said of a pickle: the rules, and why, with its advisory."""
    look = look_at("m.pkl", Memory(data))
    return (look.answer, *((finding.rule, finding.what, finding.why) for finding in look.findings))


def refused_rows() -> list[tuple[str, ...]]:
    """Every line of the list of refused names, and of that of the standard library where the former has not the whole module."""
    whole = _names._refused()[1]
    return [("refused.names", *row) for row in _names.rows("refused.names")] + [
        ("standard-library.names", *row) for row in _names.rows("standard-library.names") if row[0] not in whole
    ]


def is_missed(row: tuple[str, ...]) -> bool:
    """Whether a pickle that names what the line is about is answered otherwise without it; of the corpus where that has one."""
    file, module, *rest = row
    exact, whole, standard = _names._refused()
    uncallable = _names._uncallable()
    if file == "standard-library.names":
        standard = standard - {module}
    elif rest[0] == "()":
        uncallable = {key: entry for key, entry in uncallable.items() if key != module}
    elif rest[0] == "*":
        whole = {key: entry for key, entry in whole.items() if key != module}
    else:
        exact = {key: entry for key, entry in exact.items() if key != (module, rest[0])}
    qualname = rest[0] if rest and rest[0] not in ("()", "*") else "something"
    data = call(module, qualname, "x", form=3)
    before = told(data)
    with (
        mock.patch.object(_names, "_refused", lambda: (exact, whole, standard)),
        mock.patch.object(_names, "_uncallable", lambda: uncallable),
    ):
        return told(data) != before


def _made(full: tuple[str, str], entry: _names.Entry) -> bytes:
    """An object of a listed class, without STOP."""
    return name(*full) + (b")\x81" if "newobj" in entry.roles else b")R")


STREAMS: dict[str, Callable[[tuple[str, str], _names.Entry], bytes]] = {
    "reduce": lambda full, entry: name(*full) + b")R",
    "newobj": lambda full, entry: name(*full) + b")\x81",
    "build": lambda full, entry: _made(full, entry) + b"}b",
    "setitem": lambda full, entry: _made(full, entry) + b"NNs",
    "append": lambda full, entry: _made(full, entry) + b"Na",
    "additems": lambda full, entry: _made(full, entry) + b"(N\x90",
    "reference": lambda full, entry: name("builtins", "list") + name(*full) + b"\x85R",
}
"""Role to a stream that uses a name in it, without STOP."""
_RULES = {"reduce": "role", "newobj": "role", "build": "build", "reference": "role"}


def missing_roles() -> list[tuple[tuple[str, str], str]]:
    """Every name of the lists with every role that it does not have; who may be made may be referred to."""
    return [
        (full, role)
        for full, entry in sorted(_names._allowed().items())
        for role in ROLES
        if role not in entry.roles and not (role == "reference" and "newobj" in entry.roles)
    ]


def role_is_missed(use: tuple[tuple[str, str], str]) -> bool:
    """Whether using a name in a role that it is not listed for is refused under the role's rule, and is not once the role is added."""
    full, role = use
    entry = _names._allowed()[full]
    data = b"\x80\x04" + STREAMS[role](full, entry) + STOP
    before, after = (_count(look, role) for look in _with_roles(data, full, entry, entry.roles, entry.roles | {role}))
    return before > after


def _with_roles(data: bytes, full: tuple[str, str], entry: _names.Entry, *sets: frozenset[str]) -> Iterator[Look]:
    listed = _names._allowed()
    for roles in sets:
        other = {**listed, full: _names.Entry(roles, entry.arguments, entry.profile)}
        with mock.patch.object(_names, "_allowed", return_value=other):
            yield look_at("m.pkl", Memory(data))


def _count(look: Look, role: str) -> int:
    """Findings under the rule that names a role."""
    return sum(finding.rule == f"pickle-{_RULES.get(role, 'target')}" for finding in look.findings)


def listed_roles() -> list[tuple[tuple[str, str], str]]:
    """Every name of the lists with every role that it has, save for references of what may be made anyway."""
    return [
        (full, role)
        for full, entry in sorted(_names._allowed().items())
        for role in sorted(entry.roles)
        if not (role == "reference" and ("newobj" in entry.roles or entry.roles == {"reference"}))
    ]


def role_is_needed(use: tuple[tuple[str, str], str]) -> bool:
    """Whether using a name in a role that it is listed for is refused under the role's rule once the role is taken away."""
    full, role = use
    entry = _names._allowed()[full]
    data = b"\x80\x04" + STREAMS[role](full, entry) + STOP
    before, after = (_count(look, role) for look in _with_roles(data, full, entry, entry.roles, entry.roles - {role}))
    return before < after
