"""`countermark query` against a real guard: many pictures, and a model whose pictures are not square."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from core_world import SECOND
from guard_world import LABELS, MODEL, GuardWorld
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from countermark.guard.admission import Served
from countermark.runtime import onnx

HEIGHT, WIDTH, PICTURES = 4, 10, 70


def wide_model() -> bytes:
    """uint8 (n, 4, 10, 3) to five scores: the mean of two columns each."""
    weights = np.zeros((HEIGHT, WIDTH, 3, 5), np.float32)
    for at in range(5):
        weights[:, 2 * at : 2 * at + 2, :, at] = 1.0
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["float"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "wide",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(weights.reshape(-1, 5), "weights")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString(deterministic=True))


def test_every_picture_gets_the_answer_to_its_own_question(tmp_path: Path, shell) -> None:
    place = GuardWorld.make(tmp_path / "world")
    place.world.clock.now = datetime.now(UTC)
    place.served = replace(place.served, network=onnx.load(wide_model()))
    assert isinstance(place.served, Served)
    names = []
    for number in range(PICTURES):
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[:, 2 * (number % 5) : 2 * (number % 5) + 2] = 200
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
        names.append(tmp_path / f"{number:02}.png")
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(place.token + "\n")
    with place.running() as url:
        desk = place.world.root / SECOND
        said = shell(
            "query", url, *names, "--model", MODEL, "--api-key-file", key, "--workspace", desk, "--json"
        ).json()
        short = shell("query", url, names[0], "--model", MODEL[:12], "--api-key-file", key, "--workspace", desk, exit=2)
        assert "whole tree digest" in short.err
        refused = shell("query", url, names[0], "--model", "6" * 64, "--api-key-file", key, "--workspace", desk, exit=1)
    assert [row["label"] for row in said["answers"]] == [LABELS[n % 5] for n in range(PICTURES)]
    assert "serves another model" in refused.err
