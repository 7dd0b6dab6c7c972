"""The demo's own training script, run as its user runs it: what it writes, twice the same, and ONNX equals NumPy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from countermark.artefact import recipe
from countermark.cases.factory import parts, photos
from countermark.cases.factory._families import models

pytest.importorskip("sklearn", reason="needs the screen extra")
pytest.importorskip("onnx", reason="needs the demo extra")
ort = pytest.importorskip("onnxruntime", reason="needs the serve extra")

FACTORY = files("countermark.cases.factory")
WANTED = ("hex-bolt-m10x30", "washer-m20", "terminal-6", "spur-gear-m2-z30", "ball-valve-20", "capacitor-22x40")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the recipe has it: data/train and data/test beside the script."""
    home = tmp_path_factory.mktemp("job")
    chosen = [parts.build(model) for model in models() if model.label in WANTED]
    taken = photos.take_photos(home / "photos", photos.plan(chosen, suppliers=4, seed=0), workers=1)
    for path in sorted(taken.glob("*/*/*.png")):
        who, label = path.parts[-3:-1]
        place = home / "data" / ("test" if who == photos.TEST else "train") / label
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / f"{who}-{path.name}")
    return home


def run(job: Path, out: str) -> Path:
    command = [sys.executable, str(FACTORY / "train.py"), "--out", out, "--seed", "3"]
    subprocess.run(command, cwd=job, check=True, env={"PATH": os.defpath}, capture_output=True, timeout=120)
    return job / out


@pytest.fixture(scope="module")
def trained(job: Path) -> Path:
    return run(job, "out")


def test_it_writes_three_files_and_learns(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["labels.json", "metrics.json", "model.onnx"]
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["top1"] >= 0.9 and metrics["top5"] == 1.0
    assert json.loads((trained / "labels.json").read_text()) == sorted(WANTED)


def test_two_runs_write_the_same_bytes(job: Path, trained: Path) -> None:
    again = run(job, "again")
    for name in ("labels.json", "metrics.json", "model.onnx"):
        assert (again / name).read_bytes() == (trained / name).read_bytes()


def test_onnx_gives_the_scores_that_the_script_measured(job: Path, trained: Path) -> None:
    from onnx import load, numpy_helper

    from countermark.cases.factory import train

    pixels, truth = train.read(job / "data" / "test")
    session = ort.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.type, given.shape) == ("tensor(uint8)", ["n", 64, 64, 3])
    (scores,) = session.run(["scores"], {given.name: pixels})
    held = {i.name: numpy_helper.to_array(i) for i in load(trained / "model.onnx").graph.initializer}
    words = held["kernels"].reshape(train.WORDS, -1) * np.float32(train.PATCH)
    np.testing.assert_allclose(scores, train.encode(pixels, words) @ held["weights"] + held["bias"], atol=2e-3)
    labels = json.loads((trained / "labels.json").read_text())
    hits = np.mean([labels[i] == t for i, t in zip(scores.argmax(axis=1), truth, strict=True)])
    assert hits == pytest.approx(json.loads((trained / "metrics.json").read_text())["top1"], abs=1e-5)


def test_the_script_knows_nothing_of_countermark() -> None:
    text = (FACTORY / "train.py").read_text()
    assert "countermark" not in text.lower()


def test_no_pictures_end_it_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FACTORY / "train.py")],
        cwd=tmp_path,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.strip() == "no pictures below data/train"


def test_the_recipe_says_what_the_script_does() -> None:
    from countermark.cases.factory import train

    said = recipe.parse((FACTORY / "recipe.toml").read_bytes()).parameters["parameters"]
    assert (said["words"], said["patch"], said["stride"], said["pool"]) == (
        train.WORDS,
        train.PATCH,
        train.STRIDE,
        train.POOL,
    )
    assert (float(said["threshold"]), float(said["ridge"])) == (train.THRESHOLD, train.RIDGE)


def test_the_recipes_lock_is_a_part_of_the_projects_own() -> None:
    project = Path(__file__).parents[3] / "locks" / "demo.lock"
    if not project.is_file():
        pytest.skip("not run from a working tree: there is no locks/demo.lock")
    own = (FACTORY / "requirements.lock").read_text()
    assert set(own.splitlines()) <= set(project.read_text().splitlines())
    assert "--hash=sha256:" in own and "http" not in own
