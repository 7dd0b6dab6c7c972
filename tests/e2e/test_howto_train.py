"""The page on training, typed line by line with a small script that knows nothing of Countermark."""

from __future__ import annotations

import re
import shutil

import pytest
from test_howto_keys import PAGES, folders, run_page

from conftest import photos

SCRIPT = """
import json, pathlib
import numpy as np
from PIL import Image
from onnx import TensorProto, helper, numpy_helper

paths = sorted(pathlib.Path("data/train").glob("*/*.png"))
names = sorted({p.parent.name for p in paths})
pixels = np.stack([np.asarray(Image.open(p).convert("RGB"), np.float32).ravel() / 255 for p in paths])
wanted = np.eye(len(names), dtype=np.float32)[[names.index(p.parent.name) for p in paths]]
weights = np.linalg.lstsq(pixels, wanted, rcond=None)[0].astype(np.float32) / 255
make = helper.make_node
graph = helper.make_graph(
    [make("Cast", ["pictures"], ["numbers"], to=TensorProto.FLOAT), make("Flatten", ["numbers"], ["flat"], axis=1),
     make("MatMul", ["flat", "weights"], ["scores"])], "small",
    [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", 16, 16, 3])],
    [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(names)])],
    [numpy_helper.from_array(weights, "weights")])
out = pathlib.Path("out")
out.mkdir(exist_ok=True)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
(out / "model.onnx").write_bytes(model.SerializeToString())
(out / "labels.json").write_text(json.dumps(names))
(out / "metrics.json").write_text(json.dumps({"train_rows": len(paths)}))
"""


@pytest.fixture
def handed(project):
    """A trainer and a reviewer are enrolled; the owner has one admitted delivery."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: nothing trains hermetically")
    for needed in ("onnx", "onnxruntime", "sklearn"):
        pytest.importorskip(needed)
    folders(project, "trainer", "reviewer", "trainer/data")
    for name in ("trainer", "reviewer"):
        project("init", name, "--role", name, at=name)
        project("party", "add", f"../{name}/{name}.enrol.json", "--role", name, at="manufacturer")
    project("trust", "sign", "--out", "../next.json", at="manufacturer")
    project("trust", "sign", "../next.json", at="engineering")
    project("trust", "sign", "../next.json", at="manufacturer")
    print_of = project("trust", "export", "../trust.jsonl", "--json", at="manufacturer").json()["fingerprint"]
    for name in ("trainer", "reviewer"):
        project("trust", "pin", print_of, "--trust", "../trust.jsonl", at=name)
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    photos(project.here / "reviewer" / "few", each=20)
    photos(project.here / "reviewer" / "test", each=80)
    return project


def test_the_page_on_training(handed) -> None:
    here, text = handed.here, (PAGES / "train-on-admitted-rows.md").read_text()
    (here / "trainer" / "train.py").write_text(SCRIPT)
    (here / "trainer" / "recipe.toml").write_text(re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0])

    def carry() -> str:
        """Between the owner's command and the trainer's somebody carries the folder."""
        for end in ("", ".cmdelivery"):
            source, target = here / "manufacturer" / f"handover{end}", here / "trainer" / "data" / f"train{end}"
            if not target.exists():
                (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        return "--dry-run"

    said = run_page(
        handed, "train-on-admitted-rows.md", {"--dry-run": carry}, {"manufacturer: release ../trainer/model": 1}
    )
    assert said[1].startswith("nothing was denied") and said[2].startswith("trained: hermetic claimed")
    assert said[3].startswith("proven") and said[4].startswith("measured: every trial ran to its end")
    assert said[5].startswith("approved by reviewer") and said[6].startswith("proven")
    assert said[7].startswith("entered: 4 statements")
    few = handed("trial", "../trainer/model", "--images", "few", at="reviewer", exit=3)
    assert few.last == "inconclusive: stealing/extraction: 27 pictures are too few"
    told = handed("release", "../trainer/model", "--explain", at="manufacturer", exit=1).out
    failing = set(re.findall(r"^FAILS\s+(\S+)", told, re.MULTILINE))
    assert "stealing/extraction" in failing and "too few test pictures" in told
    assert not failing & {"training/hermetic", "approved-by-reviewer", "evasion/square", "model/coverage"}
