"""The trainer's own script of the vault's story: a small perceptron, by gradient steps in NumPy, written as ONNX.

It knows nothing of seals: it reads ``acme-parts`` and ``bolts-parts`` where the recipe puts them, and writes ``out``.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE, SHRINK, HIDDEN, STEPS, RATE = 64, 4, 64, 200, 0.03


def read(folders):
    """Pixels, uint8 (n, 64, 64, 3), and labels of all pictures below CLASS folders."""
    paths = sorted(path for folder in folders for path in pathlib.Path(folder).glob("*/*.png"))
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths]), [p.parent.name for p in paths]


def shrunk(pixels):
    """What the graph computes first: averages over 4 x 4 pixels, channels first, about 0; float32 (n, 768)."""
    n, cells = len(pixels), SIDE // SHRINK
    small = pixels.reshape(n, cells, SHRINK, cells, SHRINK, 3).astype(np.float32).mean(axis=(2, 4)) / 64 - 3
    return np.ascontiguousarray(small.transpose(0, 3, 1, 2)).reshape(n, -1)


def descend(weights, x, y, steps, rate):
    """Full-batch gradient steps on cross entropy; `weights` are changed in place."""
    first, bias, second, last = weights
    for _ in range(steps):
        hidden = np.maximum(x @ first + bias, 0)
        scores = hidden @ second + last
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        back = (p @ second.T) * (hidden > 0)
        for held, slope in zip(weights, (x.T @ back, back.sum(0), hidden.T @ p, p.sum(0)), strict=True):
            np.subtract(held, rate * slope, out=held, casting="same_kind")


def accuracy(weights, x, y):
    """Share of rows whose highest score is their class."""
    first, bias, second, last = weights
    return float(((np.maximum(x @ first + bias, 0) @ second + last).argmax(axis=1) == y).mean())


def written(weights, classes):
    """The perceptron as an ONNX model: uint8 (n, 64, 64, 3) to float32 (n, classes)."""
    make = helper.make_node
    nodes = [
        make("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        make("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        make("AveragePool", ["planes"], ["small"], kernel_shape=[SHRINK] * 2, strides=[SHRINK] * 2),
        make("Flatten", ["small"], ["flat"], axis=1),
        make("Mul", ["flat", "scale"], ["light"]),
        make("Sub", ["light", "middle"], ["x"]),
        make("MatMul", ["x", "first"], ["a"]),
        make("Add", ["a", "bias"], ["b"]),
        make("Relu", ["b"], ["hidden"]),
        make("MatMul", ["hidden", "second"], ["c"]),
        make("Add", ["c", "last"], ["scores"]),
    ]
    named = zip(("first", "bias", "second", "last"), weights, strict=True)
    held = [numpy_helper.from_array(w, name) for name, w in named]
    held += [numpy_helper.from_array(np.float32([v]), name) for name, v in (("scale", 1 / 64), ("middle", 3))]
    graph = helper.make_graph(
        nodes,
        "parts",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        held,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    """Train on what lies here."""
    pixels, labels = read(("acme-parts", "bolts-parts"))
    names = sorted(set(labels))
    x, y = shrunk(pixels), np.array([names.index(label) for label in labels])
    rng = np.random.default_rng(0)
    weights = [
        rng.normal(0, 768**-0.5, (x.shape[1], HIDDEN)).astype(np.float32), np.zeros(HIDDEN, np.float32),
        rng.normal(0, HIDDEN**-0.5, (HIDDEN, len(names))).astype(np.float32), np.zeros(len(names), np.float32),
    ]  # fmt: skip
    descend(weights, x, y, STEPS, RATE)
    out = pathlib.Path("out")
    out.mkdir(exist_ok=True)
    onnx.save(written(weights, len(names)), out / "model.onnx")
    (out / "labels.json").write_text(json.dumps(names))
    told = {"train_rows": len(y), "train_accuracy": accuracy(weights, x, y)}
    (out / "metrics.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
