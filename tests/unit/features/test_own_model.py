"""Features of the user's own model."""

from __future__ import annotations

from pathlib import Path

import made_up_parts
import numpy as np
import pytest

from countermark import screen
from countermark.errors import FormatRefused, Unusable
from countermark.features import own_model
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


@pytest.mark.parametrize(
    ("shape", "sides"),
    [((SIDE, SIDE, 3), (8, 8)), ((3, SIDE, SIDE), (8, 8)), ((None, None, 3), (64, 64)), ((1, 28, 32), (28, 32)), ((28, 32), (28, 32)),
     ((28, 32, 1), (28, 32)), ((3, None, 48), (64, 48))],
)  # fmt: skip
def test_the_size_of_a_models_pictures_is_read_from_its_input(
    shape: tuple[int | None, ...], sides: tuple[int, int]
) -> None:
    assert own_model._sides(shape) == sides
    laid = own_model._laid_out(np.zeros((2, *sides, 3), np.uint8), shape)
    assert all(want is None or want == have for want, have in zip(shape, laid.shape[1:], strict=True))


@pytest.mark.parametrize("shape", [(192,), (4, 8, 8), (8, 3, 8), (1, 3, 8, 8), (3, 5000, 8)])
def test_models_of_something_else_than_pictures_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(Unusable, match="the model takes pictures"):
        own_model._sides(shape)


def test_only_a_proven_file_is_loaded_and_its_own_size_is_decoded(tmp_path: Path) -> None:
    import io

    from PIL import Image

    from countermark.lifecycle.own_features import Wanted, proven

    made = network()
    (tmp_path / "m.onnx").write_bytes(made)
    data, digest = proven(tmp_path / "m.onnx")
    assert data == made and len(digest) == 64
    files, large = [], np.repeat(np.repeat(IMAGES, 4, axis=1), 4, axis=2)
    for image in large:
        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG")
        files.append(out.getvalue())
    seen: list[float] = []
    given = Wanted(models={"pictures": tmp_path / "m.onnx"}).given(
        files, list("abcdefg"), lambda _, done: seen.append(done)
    )
    assert given is not None
    # Each 4 x 4 block has one colour, so that area averages give back what was made: the features are those of the small pictures.
    assert np.allclose(given.values, encoded(encoder(made), IMAGES), rtol=1e-4)
    assert "8 x 8" in given.name and digest[:16] in given.name and seen[-1] == 1.0
    (tmp_path / "m.onnx").write_bytes(made[:-40])
    with pytest.raises(FormatRefused, match="is not loaded"):
        proven(tmp_path / "m.onnx")
    with pytest.raises(FormatRefused, match="b does not decode"):
        (tmp_path / "n.onnx").write_bytes(made)
        Wanted(models={"any": tmp_path / "n.onnx"}).settled(["pictures"]).given([files[0], b"no picture"], ["a", "b"])
