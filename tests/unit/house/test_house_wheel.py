"""The wheel, installed alone into an empty environment, works: declared dependencies are complete, and the base is small."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST_BASE_MEGABYTES = 60


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True, check=False)


def build(into: Path) -> Path:
    done = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", into, ROOT, cwd=into)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(into.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an empty environment with nothing but the wheel and what it declares, at the versions in use here."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(folder)
    (folder / "versions").write_text(
        "".join(f"{d.name}=={d.version}\n" for d in distributions() if d.name != "countermark")
    )
    venv.create(folder / "empty", with_pip=True)
    python = folder / "empty" / "bin" / "python"
    done = run(
        python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "versions", wheel, cwd=folder
    )
    if done.returncode and "No matching distribution" in done.stderr + done.stdout:
        pytest.skip("no package registry can be reached from here")
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.slow
def test_the_base_commands_work(installed: Path, tmp_path: Path) -> None:
    program = installed.with_name("countermark")
    (tmp_path / "p" / "nut").mkdir(parents=True)
    (tmp_path / "p" / "nut" / "1.png").write_bytes(b"1")
    (tmp_path / "w.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    expected = {
        ("--version",): 0, ("init", "acme"): 0, ("digest", "p"): 0, ("deliver", "p", "--dry-run"): 0, ("verify", "p"): 3,
        ("inspect", "w.safetensors"): 0, ("policy", "show"): 0, ("policy", "check", "p/nut/1.png"): 1, ("key", "list"): 0,
    }  # fmt: skip
    for words, code in expected.items():
        done = run(program, *words, cwd=tmp_path)
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"


@pytest.mark.slow
def test_what_needs_an_extra_says_so(installed: Path, tmp_path: Path) -> None:
    program = installed.with_name("countermark")
    (tmp_path / "a" / "nut").mkdir(parents=True)
    (tmp_path / "a" / "nut" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(32))
    for words in (("screen", "."), ("demo", "factory"), ("trial", "a", "--images", "a")):
        done = run(program, *words, "--json", cwd=tmp_path)
        said = json.loads(done.stdout)
        assert done.returncode == said["exit"] == 3, done.stdout
        assert "countermark[" in said["error"]["fix"]
    assert run(program, "doctor", cwd=tmp_path).returncode == 3


@pytest.mark.slow
def test_the_base_is_small_and_complete(installed: Path) -> None:
    """As files come out of wheels; bytecode that pip compiles from them is not counted."""
    packages = installed.parents[1] / "lib"
    size = sum(
        f.stat().st_size
        for f in packages.rglob("*")
        if f.is_file() and f.suffix != ".pyc" and "/pip" not in str(f) and "/setuptools" not in str(f)
    )
    assert size <= MOST_BASE_MEGABYTES * 1e6
    assert run(installed, "-m", "pip", "check", cwd=packages).returncode == 0
    assert run(installed, "-c", "import numpy", cwd=packages).returncode == 1
