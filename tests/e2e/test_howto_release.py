"""The page on our own release: every command of it is run, on a release made from this repository's last commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from countermark.keys import signer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "verify-our-own-release.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
MODEL_SIGNING = ROOT / ".benchenv" / "bin" / "model_signing"
NO_REGISTRY = ("No matching distribution", "Could not find a version", "Temporary failure in name resolution")


def block(word: str) -> str:
    """The page's one block that holds a word."""
    (found,) = [text for text in BLOCKS if word in text]
    return found


def typed(text: str, at: Path, exit: int = 0) -> str:
    """Run lines as a shell does that stops at the first failure; returns what they printed.

    `make` takes the environment as it is: it would otherwise install everything again for the clone.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), str(MODEL_SIGNING.parent), os.environ["PATH"]])
    script = text.replace("make ", "make --no-print-directory -o .venv/dev.stamp ")
    done = subprocess.run(
        ["sh", "-ec", script], cwd=at, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    if done.returncode and any(words in done.stdout + done.stderr for words in NO_REGISTRY):
        pytest.skip("no package registry can be reached from here")
    assert done.returncode == exit, f"{text}{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the last commit with a release made in it as the page says, and the release where a user has it."""
    for name in ("git", "make"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("release")
    cloned = subprocess.run(["git", "clone", "-q", ROOT, folder / "repository"], capture_output=True, check=False)
    if cloned.returncode:
        pytest.skip(f"this is no repository that can be cloned: {cloned.stderr.decode().strip()}")
    (folder / "repository" / ".venv").symlink_to(sys.prefix)
    signer.generate("oms", "ecdsa-p256").save(folder / "oms.pem")
    said = typed(block("make release-evidence"), folder / "repository")
    assert "verified: 3 files are exactly those signed as 'release'" in said
    for path in (folder / "repository" / "dist").iterdir():
        shutil.move(path, folder / path.name)
    return folder


@pytest.mark.slow
def test_it_verifies_with_countermark(place: Path) -> None:
    said = typed(block("countermark oms verify"), place).splitlines()
    assert said[-1] and re.fullmatch("[0-9a-f]{64}", said[-1])


@pytest.mark.slow
def test_it_verifies_with_the_reference_tool(place: Path) -> None:
    if not MODEL_SIGNING.exists():
        pytest.skip(f"model-signing is not at {MODEL_SIGNING}")
    typed(block("model_signing verify"), place)


@pytest.mark.slow
def test_another_build_is_the_same_bytes(place: Path) -> None:
    (Path(place) / "repository" / "src" / "countermark" / "slipped_in.py").write_text('"""Not committed."""\n')
    (place / "repository" / "README.md").write_text("changed, not committed")
    typed(block("cmp "), place / "repository")


@pytest.mark.slow
def test_an_auditor_installs_it_by_hash(place: Path) -> None:
    said = typed(block("auditor/bin/pip"), place)
    assert "Usage: countermark verify" in said


@pytest.mark.slow
def test_an_altered_release_is_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "release", tmp_path / "release")
    for name in ("release.oms.json", "release.pub.pem"):
        shutil.copy(place / name, tmp_path)
    (wheel,) = (tmp_path / "release").glob("*.whl")
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    typed(block("countermark oms verify"), tmp_path, exit=1)
    shutil.copy(place / "release" / wheel.name, wheel)
    (tmp_path / "release" / "more.py").write_text("added")
    typed(block("countermark oms verify"), tmp_path, exit=1)
    (tmp_path / "release" / "more.py").unlink()
    signer.generate("oms", "ecdsa-p256").save(tmp_path / "other.pem")
    (tmp_path / "release.pub.pem").write_bytes(signer.load(tmp_path / "other.pem", "oms").public.pem())
    typed(block("countermark oms verify"), tmp_path, exit=1)


@pytest.mark.slow
def test_a_release_is_not_made_of_what_lies_about(place: Path) -> None:
    repository = place / "repository"
    (repository / "dist" / "release").mkdir(parents=True)
    (repository / "dist" / "release" / "stray.txt").write_text("stray")
    typed(block("make release-evidence"), repository, exit=2)
    typed("make release-evidence", repository, exit=2)
