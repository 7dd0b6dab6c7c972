"""Rooms import downwards only, and the base commands start without the heavy libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = ("numpy", "PIL", "sklearn", "scipy", "onnxruntime", "onnx", "torch", "pydantic", "cel", "jinja2", "uvicorn")
SLOW_TO_START = (*HEAVY, "rich", "cryptography", "asyncio")


def loaded(code: str, cwd: Path, names: tuple[str, ...]) -> str:
    """Which of `names` a fresh interpreter has imported after running `code`."""
    program = f"import sys\nsys.argv=['countermark']\n{code}\nprint(','.join(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    assert loaded("from countermark.cli.main import run; run(['--help'])", tmp_path, SLOW_TO_START) == ""


@pytest.mark.parametrize("arguments", [["digest", "p"], ["verify", "p"], ["init", "acme"], ["deliver", "p", "--dry-run"]],
                         ids=lambda a: a[0])  # fmt: skip
def test_base_commands_need_no_heavy_library(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "p" / "nut").mkdir(parents=True)
    (tmp_path / "p" / "nut" / "1.png").write_bytes(b"x")
    if arguments[0] == "deliver":
        loaded("from countermark.cli.main import run; run(['init', 'acme', '--quiet'])", tmp_path, HEAVY)
    assert loaded(f"from countermark.cli.main import run; run({arguments!r})", tmp_path, HEAVY) == ""


def test_verify_opens_no_key_and_writes_no_ledger(tmp_path: Path) -> None:
    """What is never needed costs the start of each call, and a reader should not have to trust it."""
    (tmp_path / "p").mkdir()
    unneeded = (
        "countermark.keys.held",
        "countermark.keys.signer",
        "countermark.ledger.log",
        "countermark.ledger.stores",
    )
    assert loaded("from countermark.cli.main import run; run(['verify', 'p'])", tmp_path, unneeded) == ""


def test_inspect_needs_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert loaded("from countermark.cli.main import run; run(['inspect', 'w.safetensors'])", tmp_path, HEAVY) == ""
