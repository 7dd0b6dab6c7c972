"""The auditor's install: the wheel alone in an empty environment is small and complete, and verifies everything.

What it verifies is made here by the parties of a project; the auditor gets files. Times are printed (`pytest -s`), never judged.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import venv
from importlib.metadata import distributions
from pathlib import Path

import pytest
import small_release

ROOT = Path(__file__).parents[2]
MOST_BASE_MEGABYTES = 45
HEAVY = (
    "numpy", "PIL", "sklearn", "scipy", "onnxruntime", "onnx", "torch", "safetensors", "pyarrow", "uvicorn", "pydantic",
    "jinja2", "rich", "sqlite3", "asyncio", "http.client", "multiprocessing", "sigstore", "securesystemslib", "boto3", "hvac",
)  # fmt: skip
"""What no verify path imports: the extras' libraries, pages and tables, databases, and whatever talks to a network."""

PROGRAM = """
import json, sys
sys.argv = ["countermark"]
from countermark.cli.main import run
code = run({words!r})
print(json.dumps([code, [name for name in {heavy!r} if name in sys.modules]]))
"""


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


@pytest.fixture
def handed(project):
    """Files that an auditor is handed: a delivery, a model with its papers, a bundle and its key, a statement, a workspace."""
    for name in ("stick", "stick/model"):
        (project.here / name).mkdir()
    (project.here / "stick" / "model" / "weights.bin").write_bytes(b"weights")
    (project.here / "manufacturer" / "policy.toml").write_bytes(small_release.POLICY)
    project("trust", "policy", "policy.toml", at="manufacturer")
    project("trust", "sign", "--out", "../next.json", at="manufacturer")
    project("trust", "sign", "../next.json", at="engineering")
    project("trust", "sign", "../next.json", at="manufacturer")
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    project("release", "../stick/model", "--policy", "policy.toml", at="manufacturer")
    project("trust", "snapshot", "../stick/revocations.json", at="manufacturer")
    project("release", "../stick/model", "--policy", "policy.toml", at="manufacturer")
    project("release", "../stick/model", "--policy", "policy.toml", "--for-auditor", at="manufacturer")
    (project.here / "stick" / "model.cmpass").rename(project.here / "stick" / "auditor.cmpass")
    project("release", "../stick/model", "--policy", "policy.toml", at="manufacturer")
    project("disclose", "0", "--out", "../stick/0.slip.json", at="manufacturer")
    signing = project.here / "manufacturer" / ".countermark" / "keys" / "oms.pem"
    project("oms", "sign", "stick/model", "--key", signing, "--signature", "stick/bundle.json")
    public_key(signing, project.here / "stick" / "oms.pub.pem")
    return project


def public_key(private: Path, to: Path) -> None:
    from countermark.keys import signer

    to.write_bytes(signer.load(private, "oms").public.pem())


EXITS = {"manufacturer: verify, one statement": 3}
"""No snapshot is kept there that would show whether it was revoked."""


def verifying(shell) -> dict[str, list[str]]:
    """Every verify path, by the folder that it is typed in and what it is called."""
    fingerprint = str(shell("trust", "show", "--json", at="manufacturer").json()["fingerprint"])
    papers = ["verify", "../stick/model", "--fingerprint", fingerprint, "--revocations", "../stick/revocations.json"]
    return {
        "plant: digest": ["digest", "../stick/model"],
        "plant: verify, a delivery": ["verify", "../acme/photos"],
        "plant: verify, a model by its passport": papers,
        "plant: verify, an auditor's papers": [*papers, "--passport", "../stick/auditor.cmpass"],
        "manufacturer: verify, one statement": ["verify", "../stick/0.slip.json"],
        "plant: oms verify": [
            "oms", "verify", "../stick/model", "--signature", "../stick/bundle.json", "--public-key", "../stick/oms.pub.pem",
        ],
        "manufacturer: ledger check": ["ledger", "check"],
        "manufacturer: trust show": ["trust", "show"],
    }  # fmt: skip


def test_no_verify_path_imports_anything_heavy(handed) -> None:
    """Seen in this environment, where all of it is installed and could be imported."""
    seen = {}
    for name, words in verifying(handed).items():
        program = PROGRAM.format(words=words, heavy=HEAVY)
        done = run(sys.executable, "-c", program, cwd=handed.here / name.partition(":")[0])
        seen[name] = json.loads(done.stdout.splitlines()[-1])
    assert seen == {name: [EXITS.get(name, 0), []] for name in seen}


@pytest.mark.slow
def test_the_auditor_verifies_everything(installed: Path, handed) -> None:
    """With the base install alone; how long each took is printed."""
    program, took = installed.with_name("countermark"), {}
    for name, words in verifying(handed).items():
        began = time.perf_counter()
        done = run(program, *words, cwd=handed.here / name.partition(":")[0])
        took[name] = time.perf_counter() - began
        assert done.returncode == EXITS.get(name, 0), f"{name}: {done.stdout}{done.stderr}"
    (handed.here / "stick" / "model" / "weights.bin").write_bytes(b"swapped")
    for name in ("plant: verify, a model by its passport", "plant: oms verify"):
        assert run(program, *verifying(handed)[name], cwd=handed.here / "plant").returncode == 1, name
    for name, seconds in took.items():
        print(f"{seconds * 1000:7.0f} ms  {name}")


@pytest.mark.slow
def test_start_up_is_printed(installed: Path, tmp_path: Path) -> None:
    """Medians of eleven, warm. The target for `verify --help` is 200 ms; benchmarks/provenance.py judges it."""
    print(f"\nload {os.getloadavg()[0]:.2f}")
    for words in (("--version",), ("--help",), ("verify", "--help")):
        took = []
        for _ in range(11):
            began = time.perf_counter()
            assert run(installed.with_name("countermark"), *words, cwd=tmp_path).returncode == 0
            took.append(time.perf_counter() - began)
        print(
            f"{statistics.median(took) * 1000:7.0f} ms [{min(took) * 1000:.0f}..{max(took) * 1000:.0f}]  {' '.join(words)}"
        )


@pytest.mark.slow
def test_the_base_is_small_and_complete(installed: Path) -> None:
    """As files come out of wheels; bytecode that pip compiles from them is not counted."""
    packages = installed.parents[1] / "lib"
    files = [f for f in packages.rglob("*") if f.is_file() and "/pip" not in str(f) and "/setuptools" not in str(f)]
    size = sum(f.stat().st_size for f in files if f.suffix != ".pyc")
    compiled = sum(f.stat().st_size for f in files if f.suffix == ".pyc")
    print(f"\n{size / 1e6:.1f} MB installed, and {compiled / 1e6:.1f} MB of bytecode that pip compiles from it")
    assert size <= MOST_BASE_MEGABYTES * 1e6
    assert run(installed, "-m", "pip", "check", cwd=packages).returncode == 0
    assert run(installed, "-c", "import numpy", cwd=packages).returncode == 1
