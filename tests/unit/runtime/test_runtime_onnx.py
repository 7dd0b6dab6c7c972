"""ONNX models from bytes: what runs, what is refused, and that nothing is read from the disk."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx as onnx_library
import pytest
from guard_world import pictures, tiny_model
from onnx import TensorProto, helper, numpy_helper

from countermark.errors import ExchangeRefused, FormatRefused, MissingExtra
from countermark.runtime import onnx

WEIGHTS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


def linear(
    kind: int = TensorProto.FLOAT, batch: object = "n", *, outside: str = "", domain: str = "", extra: bool = False
) -> bytes:
    """(batch, 2, 2, 3) to three scores; its weights inside, or in a file of that name."""
    tensor = numpy_helper.from_array(WEIGHTS, "w")
    if outside:
        tensor = onnx_library.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=WEIGHTS.shape, data_location=1)
        for key, value in (("location", outside), ("offset", "0"), ("length", str(WEIGHTS.nbytes))):
            tensor.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["f"], ["g"], axis=1),
        helper.make_node("MatMul", ["g", "w"], ["y"], domain=domain),
    ]
    inputs = [helper.make_tensor_value_info("x", kind, [batch, 2, 2, 3])]
    if extra:
        inputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])]
    graph = helper.make_graph(nodes, "linear", inputs, outputs, [tensor])
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(deterministic=True)
    return data


IMAGES = np.random.default_rng(1).integers(0, 256, (4, 2, 2, 3), dtype=np.uint8)
EXPECTED = IMAGES.reshape(4, 12).astype(np.float32) @ WEIGHTS


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("batch", ["n", 1])
def test_scores_are_those_of_the_graph(kind: int, batch: object) -> None:
    model = onnx.load(linear(kind, batch))
    scores = model.predict(IMAGES)
    assert scores.dtype == np.float32
    assert np.allclose(scores, EXPECTED, rtol=1e-5, atol=1e-2)
    assert model.input_shape == (2, 2, 3)


def test_two_sessions_give_the_same_bits() -> None:
    one, two = (onnx.load(tiny_model()).predict(pictures(9)) for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_floats_are_rounded_and_clipped_for_a_uint8_model() -> None:
    model = onnx.load(linear(TensorProto.UINT8))
    wild = IMAGES.astype(np.float64) + 0.4
    wild[0, 0, 0, 0], wild[1, 0, 0, 0] = -50, 300
    tame = IMAGES.copy()
    tame[0, 0, 0, 0], tame[1, 0, 0, 0] = 0, 255
    assert np.array_equal(model.predict(wild), model.predict(tame))


@pytest.mark.parametrize(
    "query",
    [np.zeros((4, 2, 3, 3)), np.zeros((2, 2, 3)), np.zeros(()), np.full((1, 2, 2, 3), np.nan), np.array([["a"]]),
     np.full((1, 2, 2, 3), np.inf), np.zeros((1, 2, 2, 3), bool), np.zeros((1, 2, 2, 3), complex)],
    ids=range(8),
)  # fmt: skip
def test_queries_that_do_not_fit_are_refused(query: np.ndarray) -> None:
    with pytest.raises(ExchangeRefused):
        onnx.load(linear()).predict(query)


def test_external_data_comes_from_memory_and_never_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime itself looks in the current folder when the model comes as bytes."""
    monkeypatch.chdir(tmp_path)
    model = linear(outside="w.data")
    (tmp_path / "w.data").write_bytes(np.zeros_like(WEIGHTS).tobytes())
    with pytest.raises(FormatRefused, match=r"w\.data.*not verified"):
        onnx.load(model)
    with pytest.raises(FormatRefused, match="not verified"):
        onnx.load(model, external={"other.data": WEIGHTS.tobytes()})
    with pytest.raises(FormatRefused, match="not verified"):
        onnx.load(model, external={"w.data": WEIGHTS.tobytes()[:-1]})
    scores = onnx.load(model, external={"w.data": WEIGHTS.tobytes()}).predict(IMAGES)
    assert np.allclose(scores, EXPECTED, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize(
    "model",
    [b"", b"garbage", linear()[:-9], linear() + b"\0", linear(domain="evil.ops"), linear(TensorProto.INT64),
     linear(extra=True), linear(batch=7), linear(outside="../w.data"), b"\0\0\0\0ORTM" + bytes(200)],
    ids=["empty", "garbage", "cut", "tail", "custom operator", "int64", "two inputs", "batch of 7", "outside", "ORT format"],
)  # fmt: skip
def test_models_that_do_not_hold_are_refused(model: bytes) -> None:
    with pytest.raises(FormatRefused):
        onnx.load(model)


def test_without_onnx_runtime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match="ONNX Runtime"):
        onnx.load(tiny_model())
