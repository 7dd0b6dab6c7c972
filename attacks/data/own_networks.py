"""Small ONNX networks over clips and numbers, honest and hostile, for tests of features by a user's own model. No part of the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

INNER = 6
CLASSES = 3
Floats = NDArray[np.float32]
_H = onnx.helper


def flat(
    shape: Sequence[int | None], *, size: int = 1, inner: int = INNER, layers: int = 2, nan: bool = False, turned: bool = False,
    whole: bool = False,
) -> tuple[bytes, Floats]:  # fmt: skip
    """All numbers of a row by one matrix product, cut at 0, then by another to scores; and the first one's weights.

    Args:
        shape: of the input, batch first. size: that a free side has. layers: 1 for the second product alone.
        nan: the inner layer is 0 / 0. turned: it answers with rows and columns exchanged. whole: it takes bytes.
    """
    sides = [side if side is not None else size for side in shape[1:]]
    weight = _drawn((int(np.prod(sides)), inner))
    nodes = [_H.make_node("Cast", ["x"], ["f"], to=onnx.TensorProto.FLOAT)] if whole else []
    if layers == 1:
        nodes.append(_H.make_node("MatMul", ["x", "w"], ["scores"]))
        return _model(nodes, shape, {"w": weight}, whole=whole), weight
    nodes += [
        _H.make_node("Flatten", ["f" if whole else "x"], ["flat"]), _H.make_node("Gemm", ["flat", "w"], ["g"]),
        _H.make_node("Relu", ["g"], ["r"]),
    ]  # fmt: skip
    if nan:
        nodes += [_H.make_node("Sub", ["r", "r"], ["zero"]), _H.make_node("Div", ["zero", "zero"], ["a"])]
    elif turned:
        nodes.append(_H.make_node("Transpose", ["r"], ["a"], perm=[1, 0]))
    else:
        nodes.append(_H.make_node("Identity", ["r"], ["a"]))
    nodes.append(_H.make_node("Gemm", ["a", "u"], ["scores"], transA=int(turned)))
    return _model(nodes, shape, {"w": weight, "u": _drawn((inner, CLASSES))}, whole=whole), weight


def averaging(channels: int, *, length: int | None = None, kernel: int = 3, inner: int = INNER) -> tuple[bytes, Floats]:
    """A convolution over clips (n, channels, t), cut at 0, averaged over time, then by a matrix product to scores; and its kernels."""
    weight = _drawn((inner, channels, kernel))
    nodes = [
        _H.make_node("Conv", ["x", "w"], ["c"]), _H.make_node("Relu", ["c"], ["r"]), _H.make_node("GlobalAveragePool", ["r"], ["p"]),
        _H.make_node("Flatten", ["p"], ["a"]), _H.make_node("Gemm", ["a", "u"], ["scores"]),
    ]  # fmt: skip
    return _model(nodes, [None, channels, length], {"w": weight, "u": _drawn((inner, CLASSES))}), weight


def _drawn(shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def _model(nodes: list[Any], shape: Sequence[int | None], weights: dict[str, Floats], *, whole: bool = False) -> bytes:
    kind = onnx.TensorProto.UINT8 if whole else onnx.TensorProto.FLOAT
    graph = _H.make_graph(
        nodes, "g", [_H.make_tensor_value_info("x", kind, shape)],
        [_H.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    return bytes(_H.make_model(graph, opset_imports=[_H.make_opsetid("", 17)], ir_version=8).SerializeToString())
