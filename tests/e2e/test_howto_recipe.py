"""The page on inspecting a recipe, typed line by line."""

from __future__ import annotations

import base64
import json

import pytest
from test_howto_keys import FENCE, PAGES

from countermark import dsse
from countermark.statement.predicates.training import TYPE, Training
from countermark.statement.statement import Context, Statement

RECIPE = """format = 1
name = "part-recogniser"
[code]
files = ["train.py"]
[inputs]
train = "data/train"
[output]
folder = "out"
model = "model.onnx"
metrics = "metrics.json"
[environment]
lock = "requirements.lock"
"""
LOCK = "numpy==2.1.0 --hash=sha256:" + "a" * 64 + "\n"


def statement(packages: str) -> bytes:
    """A training statement of somebody; the page compares without looking at its signature, and says so."""
    said = Training(
        Context("0" * 64, "everybody", "2026-11-27T10:00:00Z", 0, None), "trainer", "0" * 64, {}, ("python",), {"train": "1" * 64}, "claimed", (),
        {}, {"packages": packages}, {}, "2026-11-27T10:00:00Z", "2026-11-27T10:00:00Z",
    )  # fmt: skip
    payload = Statement("model", "0" * 64, TYPE, said.to_json()).to_bytes()
    signature = {"keyid": "0" * 64, "sig": base64.b64encode(b"x" * 64).decode()}
    body = {"payloadType": dsse.IN_TOTO, "payload": base64.b64encode(payload).decode(), "signatures": [signature]}
    return json.dumps(body).encode()


@pytest.fixture
def trainer(project):
    """An owner of a project, with a recipe beside its workspace."""
    texts = {"recipe.toml": RECIPE, "requirements.lock": LOCK, "train.py": "import numpy\nprint(numpy)\n"}
    for name, text in texts.items():
        (project.here / "manufacturer" / name).write_text(text)
    return project


def page(shell, words, code: int) -> list[str]:
    """What each line of the page printed; the one with ``--training`` must end with `code`, the others with 0."""
    said = []
    for line in "".join(FENCE.findall((PAGES / "inspect-a-recipe.md").read_text())).splitlines():
        typed = [words.get(word, word) for word in line.split()[1:]]
        said.append(shell(*typed, at="manufacturer", exit=code if "--training" in typed else 0).out)
    return said


@pytest.mark.parametrize(("packages", "code"), [("numpy==2.1.0 pillow==11.0.0", 0), ("numpy==2.0.0", 1)])
def test_the_page_runs_as_written(trainer, packages: str, code: int) -> None:
    """Where the environment that trained had another version than the lock, the comparison finds it and the rest does not."""
    folder = trainer.here / "manufacturer"
    (folder / "model.training.json").write_bytes(statement(packages))
    at = {w: folder / w for w in ("recipe.toml", "recipe.sarif", "model.training.json", "recipe-inspection.json")}
    lines = page(trainer, at, code)
    assert len(lines) == 4
    assert ("numpy 2.1.0 is locked, 2.0.0 trained" in lines[2]) == (code == 1)
    envelope = dsse.Envelope.from_bytes((folder / "recipe-inspection.json").read_bytes())
    assert Statement.from_bytes(envelope.statement_bytes()).name == "part-recogniser"
    assert json.loads((folder / "recipe.sarif").read_text())["version"] == "2.1.0"
