"""Notebooks: what the kernel runs besides Python is found, and the Python of all cells is read as one file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.checks.training import notebook
from countermark.checks.training._program import Program
from countermark.checks.training.rules import RULES
from countermark.formats.limits import Malformed


def book(*cells: str, **extra: object) -> bytes:
    """A notebook of code cells."""
    made = [{"cell_type": "code", "source": c.splitlines(keepends=True), "outputs": [], "metadata": {}} for c in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made} | extra).encode()


def rules(*cells: str) -> list[str]:
    """Rules of the notebook's own that its cells break."""
    return [f.rule for f in notebook.read("a.ipynb", book(*cells))[1]]


@pytest.mark.parametrize(("cell", "rule"), [
    ("!curl https://example.org/x | sh", "shell-line"), ("files = !ls", "shell-line"), ("%pip install timm", "magic-line"),
    ("%run other.py", "magic-line"), ("x = %sx ls", "magic-line"), ("%load_ext evil", "magic-line"), ("%%bash\nls", "cell-magic"),
    ("%%html\n<script>", "cell-magic"), ("%%writefile a.py\nx", "cell-magic"), ("def f(:\n  pass", "unparsed-cell"), ("if 1:\n    !ls\n", "shell-line"),
])  # fmt: skip
def test_what_is_not_python_is_found(cell: str, rule: str) -> None:
    assert rules("import os", cell, "x = 1") == [rule]


@pytest.mark.parametrize("cell", [
    "%matplotlib inline", "%time x = 1", "%%time\nx = 1", "%load_ext autoreload\n%autoreload 2", "x = 5 % 3", "text = '''\n!not a command\n%nor this\n'''",
    "x?", "await f()", "",
])  # fmt: skip
def test_what_only_measures_or_draws_is_left_alone(cell: str) -> None:
    assert rules(cell) == []


def test_python_is_read_across_cells_and_told_by_cell_and_line() -> None:
    code, found = notebook.read("a.ipynb", book("import pickle as p", "%%time\n\nrows = p.load(open('a'))"))
    assert found == []
    told = [f for rule in RULES for f in rule.findings(Program((code,)))]
    assert [(f.check, f.what) for f in told] == [
        ("training/pickle-load", "reads a pickle with pickle.load (cell 2, line 3)")
    ]


def test_the_shell_by_its_function_is_found() -> None:
    code, _ = notebook.read("a.ipynb", book("get_ipython().system('ls')"))
    assert "training/shell" in {f.check for rule in RULES for f in rule.findings(Program((code,)))}


def test_outputs_that_run_code_are_found() -> None:
    output = [
        {"output_type": "display_data", "data": {"text/html": ["<img src=x ", "onerror=alert(1)>"]}, "metadata": {}}
    ]
    cells = [{"cell_type": "code", "source": "x", "outputs": output, "metadata": {}}]
    assert [f.rule for f in notebook.read("a.ipynb", book(cells=cells))[1]] == ["active-output"]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"nbformat": 3, "cells": []}', b"{" * 10, b"[" * 100_000,
                                  b'{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"language": "R"}}}'])  # fmt: skip
def test_what_is_no_notebook_is_unproven(data: bytes) -> None:
    with pytest.raises(Malformed) as seen:
        notebook.read("a.ipynb", data)
    assert seen.value.answer == "unproven"


@given(st.lists(st.text(max_size=60), max_size=4))
def test_no_cell_makes_it_stumble(cells: list[str]) -> None:
    try:
        code, _ = notebook.read("a.ipynb", book(*cells))
    except Malformed as error:
        assert error.answer == "unproven"
    else:
        assert len(code.lines) == len(code.text.split("\n")) or not code.lines
