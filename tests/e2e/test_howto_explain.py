"""The page on single rows: its commands are typed, its Python is run, and a look changes nothing."""

from __future__ import annotations

import io
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from made_up_parts import honest, stamped
from PIL import Image
from test_howto_keys import folders

from conftest import photos
from countermark import compose, screen
from countermark.lifecycle import rows

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "explain-a-row.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROW = "maker-03/part-03/072.png"
DATA = stamped(honest(0), "maker-03", "part-03")


@pytest.fixture
def laid_out(shell):
    for at, (image, label, supplier) in enumerate(zip(DATA.images, DATA.label, DATA.supplier, strict=True)):
        path = shell.here / "photos" / str(supplier) / str(label) / f"{at:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return shell


def onnx_of(side: int) -> bytes:
    """A network of two matrix products over grey pictures of another size than ours, channels first."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    h, rng = onnx.helper, np.random.default_rng(1)
    nodes = [h.make_node("Flatten", ["x"], ["flat"]), h.make_node("Gemm", ["flat", "w"], ["g"]),
             h.make_node("Relu", ["g"], ["r"]), h.make_node("Gemm", ["r", "u"], ["scores"])]  # fmt: skip
    weights = {
        "w": rng.normal(size=(side * side, 96)).astype(np.float32) / 255,
        "u": rng.normal(size=(96, 12)).astype(np.float32),
    }
    graph = h.make_graph(
        nodes, "g", [h.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 1, side, side])],
        [h.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [None, 12])],
        [onnx.numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_the_commands_without_a_workspace(laid_out) -> None:
    shell = laid_out
    (shell.here / "model.onnx").write_bytes(onnx_of(28))
    typed = [line for line in COMMANDS if line.startswith("countermark screen photos")]
    assert len(typed) == 3
    for line in typed:
        if "net" in line:
            continue
        told = shell(*line.replace("acme/screws/004.png", ROW).split()[1:], "--json", exit=1).json()
        row = told["rows"][0]
        assert row["row"] == ROW and row["flagged"] and row["supplier"]["named"]
        assert ("28 x 28" in row["features"]) == ("--model" in line)
    shown = np.asarray(Image.open(io.BytesIO((shell.here / "row.png").read_bytes())))
    assert shown.shape == (192, 386, 3) and (shown[1::3, 1:192:3] == DATA.images[72]).all()


def test_people_are_told_the_same(laid_out) -> None:
    said = laid_out("screen", "photos", "--explain", ROW, "--explain", "maker-05/part-03/086", exit=1).out
    for words in ("8 rows of part-03 by maker-03 carry one pattern", "operating points", "nearest row", "head of all other suppliers",
                  "not proven clean", "a check would set 1 of 2 rows aside"):  # fmt: skip
        assert words in " ".join(said.split()), words
    laid_out("screen", "photos", "--explain", "maker-0", exit=2)
    laid_out("screen", "photos", "--picture", "x.png", exit=2)


@pytest.mark.parametrize("kind", ["damaged", "pickle", "absent", "words"])
def test_a_model_that_is_not_proven_is_not_loaded(laid_out, kind: str) -> None:
    import pickle

    data = {"damaged": onnx_of(28)[:-30], "pickle": pickle.dumps({"a": print}), "words": b"no model"}.get(kind)
    if data is not None:
        (laid_out.here / "model.onnx").write_bytes(data)
    done = laid_out.ends("screen", "photos", "--model", "model.onnx")
    assert done.exit == (2 if kind == "absent" else 1), done
    assert "is no file" in done.err if kind == "absent" else "is not loaded" in done.err


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_the_network(laid_out) -> None:
    (line,) = [line for line in COMMANDS if "--features net" in line]
    told = laid_out(*line.split()[1:], "--json", exit=1).json()
    assert "never saw their supplier" in told["features"]["single"]["name"]
    assert [n["supplier"] for n in told["named"]] == ["maker-03"]


def test_the_python() -> None:
    names = {"images": DATA.images, "labels": list(DATA.label), "suppliers": list(DATA.supplier)}
    exec(compile(PYTHON[0], "page", "exec"), names)
    assert names["told"] == screen(DATA.images, list(DATA.label), list(DATA.supplier)).explain(0)  # type: ignore[comparison-overlap]


def test_in_a_workspace_a_look_signs_nothing(project) -> None:
    folders(project, "bolts")
    project("init", "bolts", at="bolts")
    project(
        "party", "add", "../bolts/bolts.enrol.json", "--role", "supplier", "--scope", "nut,screw", at="manufacturer"
    )
    project("trust", "sign", "--out", "../next.json", at="manufacturer")
    project("trust", "sign", "../next.json", at="engineering")
    project("trust", "sign", "../next.json", at="manufacturer")
    seal = project("trust", "export", "../trust.jsonl", "--json", at="manufacturer").json()["fingerprint"]
    project("trust", "pin", seal, "--trust", "../trust.jsonl", at="bolts")
    photos(project.here / "bolts" / "photos", each=9)
    for name in ("acme", "bolts"):
        project("deliver", "photos", at=name)
        project("receive", f"../{name}/photos", at="manufacturer")
    screened = project.ends("screen", "--json", at="manufacturer").json()
    before = project("ledger", "show", "--json", at="manufacturer").out
    row = rows.listed(compose.desk(project.here / "manufacturer", None))[0].id
    told = None
    for line in [line for line in COMMANDS if line.startswith("countermark screen --explain")]:
        done = project.ends(*line.replace("1f2e3d4c5b6a/screws/004.png", row).split()[1:], "--json", at="manufacturer")
        told = done.json()
        assert done.exit in (1, 3) and told["rows"][0]["row"] == row
    assert told is not None
    newest = told["newest_screening"]
    assert newest == {"statement": screened["statement"], "seed": 0, "same_rows": True}
    assert told["rows"][0]["flagged"] == (told["rows"][0]["row"] in screened["flagged"])
    assert project("ledger", "show", "--json", at="manufacturer").out == before
    assert (project.here / "manufacturer" / "row.png").read_bytes().startswith(b"\x89PNG")
