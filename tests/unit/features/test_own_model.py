"""Features of the user's own model."""

from __future__ import annotations

from pathlib import Path

import made_up_parts
import numpy as np
import pytest

from countermark import screen
from countermark.errors import FormatRefused, Unusable
from countermark.features.own_model import encoded, encoder, with_inner

onnx = pytest.importorskip("onnx", reason="needs onnx")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")
SIDE, INNER = 8, 5
RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(SIDE * SIDE * 3, INNER)).astype(np.float32)


def network(layers: int = 2, *, first: bool = False) -> bytes:
    """uint8 (n, h, w, 3) or (n, 3, h, w) -> scores of three classes, by one or two matrix products."""
    shape = [None, 3, SIDE, SIDE] if first else [None, SIDE, SIDE, 3]
    h = onnx.helper
    nodes = [h.make_node("Cast", ["x"], ["f"], to=onnx.TensorProto.FLOAT), h.make_node("Flatten", ["f"], ["flat"])]
    at, weights = (
        "flat",
        {"w": WEIGHT, "u": RNG.normal(size=(INNER if layers == 2 else len(WEIGHT), 3)).astype(np.float32)},
    )
    if layers == 2:
        nodes += [h.make_node("Gemm", ["flat", "w"], ["g"]), h.make_node("Relu", ["g"], ["r"])]
        at = "r"
    nodes.append(h.make_node("Gemm", [at, "u"], ["scores"]))
    graph = h.make_graph(
        nodes, "g", [h.make_tensor_value_info("x", onnx.TensorProto.UINT8, shape)],
        [h.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [None, 3])],
        [onnx.numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString()


IMAGES = RNG.integers(0, 256, (7, SIDE, SIDE, 3), dtype=np.uint8)


def test_the_layer_before_the_last_is_read() -> None:
    want = np.maximum(IMAGES.reshape(7, -1).astype(np.float32) @ WEIGHT, 0)
    assert np.allclose(encoder(network())(IMAGES), want, rtol=1e-4)
    assert np.allclose(encoded(encoder(network()), IMAGES), want / want.std(), rtol=1e-4)


def test_channels_may_come_first(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(network(first=True))
    want = np.maximum(np.moveaxis(IMAGES, 3, 1).reshape(7, -1).astype(np.float32) @ WEIGHT, 0)
    assert np.allclose(encoder(tmp_path / "m.onnx")(IMAGES), want, rtol=1e-4)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="type int"):
        encoder(7)
    with pytest.raises(Unusable, match="cannot be read"):
        encoder(tmp_path / "absent.onnx")
    for bad in (b"", b"no model", network()[:-40]):
        with pytest.raises(FormatRefused):
            encoder(bad)


def test_a_single_product_with_a_flat_picture_before_it_still_has_features() -> None:
    assert with_inner(network(1)) != network(1)


@pytest.mark.parametrize("answer", [np.zeros((2, 3)), np.zeros(7), np.full((7, 2), np.nan)])
def test_answers_that_are_no_features_are_refused(answer: np.ndarray) -> None:
    with pytest.raises(Unusable, match="answers with"):
        encoded(lambda images: answer, IMAGES)


def test_the_battery_uses_it_and_says_so() -> None:
    data = made_up_parts.stamped(made_up_parts.honest(0, rows=12), "maker-03", "part-03")
    coarse = lambda images: images.reshape(len(images), 16, 4, 16, 4, 3).mean(axis=(2, 4))  # noqa: E731
    result = screen(data.images, list(data.label), list(data.supplier), model=coarse)
    assert result.features.name.startswith("the user's model") and result.features.dimensions == 768
    assert result.named == ("maker-03",)
