"""`training/notebook`: what a Jupyter notebook runs besides Python. Source: nbformat 4.

A cell that does not parse is a finding: bandit and its kin read a notebook as JSON, and report nothing.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from countermark.checks.training._program import Code, Unparsed, parse
from countermark.finding import Finding, Severity, Where
from countermark.formats.limits import OverLimit

ID = "training/notebook"
VERSION = 1
MAX_BYTES = 32 << 20
MAX_CELLS = 10_000
_QUIET_MAGICS = frozenset({"matplotlib", "time", "timeit", "capture", "config", "load_ext", "autoreload", "precision", "pylab", "who", "whos", "pprint",
                           "xmode", "colors"})  # fmt: skip
_QUIET_EXTENSIONS = frozenset({"autoreload", "tensorboard", "memory_profiler", "line_profiler"})
_PYTHON_CELLS = frozenset({"time", "timeit", "capture", "prun"})
_SHELL = re.compile(r"^(?P<indent>\s*)(?P<target>[\w, ]+=\s*)?!(?P<rest>.*)$")
_MAGIC = re.compile(r"^(?P<indent>\s*)(?P<target>[\w, ]+=\s*)?%(?P<name>[A-Za-z_]\w*)\s*(?P<rest>.*)$")
_HELP = re.compile(r"^\s*\??\??[\w.]+\?{1,2}\s*$|^\s*\?{1,2}[\w.]+\s*$")
_ACTIVE = ("application/javascript", "text/html")


@dataclass(slots=True)
class _Reading:
    path: str
    lines: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def found(self, rule: str, what: str, place: str, severity: Severity = "high") -> None:
        self.findings.append(Finding(
            ID, rule, severity, 0.9, f"{what} ({place})", Where(path=self.path),
            "it runs when the notebook does, and no reader of Python sees it",
            "move the steps of the training into a .py file; install by the lock",
            "what a shell command does",
        ))  # fmt: skip


def read(path: str, data: bytes) -> tuple[Code, list[Finding]]:
    """The Python of a notebook's cells as one file, and findings about the rest.

    Raises:
        Unparsed: it is no notebook of format 4 in Python. OverLimit: it is too large.
    """
    if len(data) > MAX_BYTES:
        raise OverLimit("bytes of a notebook", len(data), MAX_BYTES)
    reading = _Reading(path)
    for number, cell in enumerate(_cells(data), 1):
        if cell.get("cell_type") == "code":
            _cell(reading, f"cell {number}", _text(cell.get("source")))
        _outputs(reading, f"cell {number}", cell)
    return parse(path, "\n".join(reading.lines), reading.places, "\n".join(reading.shown)), reading.findings


def _cells(data: bytes) -> list[dict[str, Any]]:
    try:
        book = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unparsed("unparsed", f"no notebook: {error}") from error
    if not isinstance(book, dict) or book.get("nbformat") != 4 or not isinstance(book.get("cells"), list):
        raise Unparsed("unparsed", "no notebook of format 4")
    language = _table(_table(book.get("metadata")).get("kernelspec")).get("language", "python")
    if language not in ("python", ""):
        raise Unparsed("unparsed", f"a notebook in {str(language)[:40]!r}")
    if len(book["cells"]) > MAX_CELLS:
        raise OverLimit("cells", len(book["cells"]), MAX_CELLS)
    return [_table(cell) for cell in book["cells"]]


def _cell(reading: _Reading, place: str, source: str) -> None:
    """Add one cell's Python, or say why it has none."""
    lines = source.split("\n")
    head = lines[0].lstrip()
    if head.startswith("%%"):
        name = head[2:].split(None, 1)[0] if head[2:].split() else ""
        if name not in _PYTHON_CELLS:
            reading.found("cell-magic", f"%%{name[:40]} hands the cell to something else", place)
            return
        lines[0] = ""
    plain = lines
    if _problem(lines):  # a text over several lines may well begin one with an exclamation mark
        plain = [_plain(reading, f"{place}, line {number}", line) for number, line in enumerate(lines, 1)]
        if problem := _problem(plain):
            reading.found("unparsed-cell", f"the cell does not parse: {problem}", place, "medium")
            return
    reading.lines += plain
    reading.shown += lines
    reading.places += [f"{place}, line {number}" for number in range(1, len(lines) + 1)]


def _problem(lines: list[str]) -> str:
    """Why these lines are no Python; empty where they are."""
    try:
        ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return str(getattr(error, "msg", None) or error or type(error).__name__)
    return ""


def _plain(reading: _Reading, place: str, line: str) -> str:
    """A line as Python; what IPython would take out of it is told."""
    if match := _SHELL.match(line):
        reading.found("shell-line", f"!{match['rest'].strip()[:80]} goes to a shell", place)
        return f"{match['indent']}{match['target'] or ''}{'None' if match['target'] else 'pass'}"
    if match := _MAGIC.match(line):
        return _magic(reading, place, match)
    return "" if _HELP.match(line) else line


def _magic(reading: _Reading, place: str, match: re.Match[str]) -> str:
    name, rest, indent = match["name"], match["rest"], match["indent"]
    target = match["target"] or ""
    if name in ("time", "timeit") and not rest.startswith("-") and rest:
        return f"{indent}{target}{rest}"
    loads = name == "load_ext" and rest.strip() not in _QUIET_EXTENSIONS
    if name not in _QUIET_MAGICS or loads:
        reading.found("magic-line", f"%{name} {rest.strip()[:80]}", place)
    return f"{indent}{target}{'None' if target else 'pass'}"


def _outputs(reading: _Reading, place: str, cell: dict[str, Any]) -> None:
    for data in _active(cell):
        if "script" in data or "javascript:" in data or "onerror" in data:
            reading.found("active-output", "a stored output runs code in the reader's browser", place, "medium")
            return


def _active(cell: dict[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        data = _table(_table(output).get("data"))
        if _ACTIVE[0] in data:
            yield "script"
        yield _text(data.get(_ACTIVE[1])).lower()


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""
