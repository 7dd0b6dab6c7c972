"""Policy opens no file, reads no clock and asks no network."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from core_evidence import NOW, good

import countermark.policy.evaluate as room
from countermark.lifecycle.judging import in_child
from countermark.policy.document import Policy
from countermark.policy.evaluate import evaluate

FILES = sorted(Path(room.__file__).parent.glob("*.py"))
BANNED_NAMES = {"open", "eval", "exec", "input", "__import__", "print"}
BANNED_CALLS = {
    "now",
    "utcnow",
    "today",
    "time",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "getenv",
    "monotonic",
}
ALLOWED = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "difflib",
    "math",
    "operator",
    "re",
    "tomllib",
    "typing",
    "countermark",
}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_no_file_of_the_room_looks_outside(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert name not in BANNED_NAMES | BANNED_CALLS, f"{path.name}:{node.lineno} calls {name}"
        if isinstance(node, ast.Import):
            roots = {a.name.split(".")[0] for a in node.names}
            assert roots <= ALLOWED
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in ALLOWED


def test_judging_loads_neither_the_engine_nor_numpy() -> None:
    code = "import sys, countermark.policy.evaluate; print([m for m in ('cel', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_shipped_evaluator_admits_good_evidence_from_its_child() -> None:
    policy = Policy.from_bytes((FILES[0].parent / "default.toml").read_bytes())
    assert evaluate(policy, good(), NOW, in_child).headline == "admitted, unwitnessed"
