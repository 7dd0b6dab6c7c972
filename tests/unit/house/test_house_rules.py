"""The rules of the house that import-linter cannot see, checked on the syntax tree of every source file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "countermark"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES, MOST_FUNCTION_LINES = 500, 60
EXECUTING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
OPENING = {
    "open",
    "read_bytes",
    "read_text",
    "write_bytes",
    "write_text",
    "fdopen",
    "scandir",
    "iterdir",
    "glob",
    "rglob",
}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}

READ_ENVIRONMENT = ("compose.py", "sandbox/_probe_guest.py", "sandbox/_selfcheck.py")
"""The latter two run inside a confined child, and look whether its environment is empty."""


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


@cache
def walked(path: Path) -> tuple[tuple[str, ast.AST], ...]:
    """Every node of a file with its place: parsed once for all rules."""
    return tuple((f"{name(path)}:{getattr(node, 'lineno', 0)}", node) for node in ast.walk(tree(path)))


def nodes(*rooms: str) -> Iterator[tuple[str, ast.AST]]:
    for path in FILES:
        if not rooms or name(path).split("/")[0] in rooms:
            yield from walked(path)


def called(node: ast.AST) -> str:
    """Last name of what a call calls, else an empty string."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def test_the_tree_was_found() -> None:
    assert len(FILES) > 50


def test_policy_opens_no_files() -> None:
    assert [where for where, node in nodes("policy") if called(node) in OPENING] == []


def test_policy_reads_no_clock() -> None:
    assert [where for where, node in nodes("policy") if called(node) in CLOCKS] == []
    assert [where for where, node in nodes("policy") if imported(node) & {"time"}] == []


def test_nothing_loads_pickles() -> None:
    assert [where for where, node in nodes() if imported(node) & EXECUTING] == []
    trusting = [
        where
        for where, node in nodes()
        if isinstance(node, ast.keyword)
        and node.arg == "allow_pickle"
        and getattr(node.value, "value", True) is not False
    ]
    assert trusting == []
    loads = [
        where
        for where, node in nodes()
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "yaml.load")
    ]
    assert loads == []


def test_no_text_is_run_as_code() -> None:
    bare = [where for where, node in nodes() if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            and node.func.id in ("eval", "exec", "__import__")]  # fmt: skip
    assert bare == []
    assert [w for w, n in nodes() if isinstance(n, ast.keyword) and n.arg == "shell"] == []


def test_settings_and_environment_are_read_in_compose_alone() -> None:
    reads = [
        where
        for where, node in nodes()
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "environb", "getenv", "getenvb")
        and ast.unparse(node.value) == "os"
    ]
    assert [where for where in reads if not where.startswith(READ_ENVIRONMENT)] == []


def test_source_has_no_assert() -> None:
    assert [where for where, node in nodes() if isinstance(node, ast.Assert)] == []


def test_errors_are_never_swallowed() -> None:
    silent = [
        where
        for where, node in nodes()
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]
    assert silent == []
    broad = [where for where, node in nodes() if isinstance(node, ast.ExceptHandler) and node.type is None]
    assert broad == []


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_are_small_and_say_what_they_are_for(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module), "a module says in its first line what it is for"
    assert len(path.read_text().splitlines()) <= MOST_LINES
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MOST_FUNCTION_LINES
    ]  # fmt: skip
    assert long == []
    assert path.stem.strip("_") not in ("utils", "util", "helpers", "helper", "common", "misc")


def test_public_functions_say_what_they_do() -> None:
    bare = [
        f"{name(path)}: {node.name}"
        for path in FILES
        if not path.stem.startswith("_")
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_no_test_file_shares_its_name_with_another() -> None:
    tests = [path.name for path in (SOURCE.parents[1] / "tests").rglob("test_*.py")]
    assert sorted(set(tests)) == sorted(tests)
