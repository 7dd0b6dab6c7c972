"""The manufacturer's own training script: k-means patch features and a ridge, exported to ONNX.

It knows nothing of Countermark. It reads ``data/train/CLASS/*.png`` and ``data/test/CLASS/*.png`` and writes
``out/model.onnx``, ``out/labels.json`` and ``out/metrics.json``. One thread, one seed, the same bytes each time.

Features: Coates and Ng, "The importance of encoding versus training with sparse coding and vector
quantization" (ICML 2011): contrast-normalised patches, k-means dictionary, soft threshold, pooling.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.cluster import MiniBatchKMeans

SIDE, SHRINK, PATCH, STRIDE, POOL = 64, 2, 5, 3, 2
WORDS, THRESHOLD, FLOOR, RIDGE = 48, 0.30, 12.0, 6.0
FloatArray = NDArray[np.float32]


def read(folder: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """All pictures below CLASS folders, in path order: uint8 (n, 64, 64, 3), and their labels."""
    paths = sorted(folder.glob("*/*.png"))
    pixels = np.stack([np.asarray(Image.open(p).convert("RGB").resize((SIDE, SIDE))) for p in paths])
    return pixels.astype(np.uint8), [p.parent.name for p in paths]


def shrink(images: NDArray[np.uint8]) -> FloatArray:
    """Average over 2 x 2 pixels: float32 (n, 32, 32, 3), 0..255."""
    n, h, w, c = images.shape
    small = images.reshape(n, h // SHRINK, SHRINK, w // SHRINK, SHRINK, c).astype(np.float32).mean(axis=(2, 4))
    return np.ascontiguousarray(small)


def patches(small: FloatArray) -> FloatArray:
    """All patches, channels first as a convolution sees them: (n, positions, 3 * PATCH * PATCH)."""
    view = np.lib.stride_tricks.sliding_window_view(small, (PATCH, PATCH), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    n, rows, columns = view.shape[:3]
    return np.ascontiguousarray(view).reshape(n, rows * columns, -1)


def normalised(flat: FloatArray) -> FloatArray:
    """Patches with their mean taken out and their contrast evened."""
    centred = flat - flat.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + FLOOR)
    return np.asarray(centred / scale, np.float32)


def dictionary(small: FloatArray, seed: int) -> FloatArray:
    """Unit-length words learnt from a sample of patches: (WORDS, 3 * PATCH * PATCH)."""
    rng = np.random.default_rng(seed)
    some = patches(small[rng.permutation(len(small))[:400]])
    flat = normalised(some.reshape(-1, some.shape[-1]))
    lively = flat[(flat**2).mean(axis=1) > 0.25]
    sample = lively[rng.permutation(len(lively))[:40_000]]
    means = MiniBatchKMeans(WORDS, random_state=seed, n_init=1, batch_size=4096, max_iter=30).fit(sample)
    words = means.cluster_centers_.astype(np.float32)
    return np.asarray(words / np.linalg.norm(words, axis=1, keepdims=True), np.float32)


def encode(images: NDArray[np.uint8], words: FloatArray, batch: int = 100) -> FloatArray:
    """Pooled activations: (n, 2 * WORDS * pooled positions); float32."""
    out = []
    side = (SIDE // SHRINK - PATCH) // STRIDE + 1
    cells = side // POOL
    for start in range(0, len(images), batch):
        flat = normalised(patches(shrink(images[start : start + batch])))
        response = flat @ words.T / PATCH
        both = np.concatenate([response - THRESHOLD, -response - THRESHOLD], axis=-1)
        both = np.maximum(both, 0).reshape(len(flat), side, side, 2 * WORDS)[:, : cells * POOL, : cells * POOL]
        pooled = both.reshape(len(flat), cells, POOL, cells, POOL, 2 * WORDS).mean(axis=(2, 4))
        out.append(pooled.transpose(0, 3, 1, 2).reshape(len(flat), -1))
    return np.concatenate(out).astype(np.float32)


def fit(features: FloatArray, labels: list[str], classes: list[str]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Ridge on centred one-hot targets: weights (d, k), bias (k,), and feature scale (d,)."""
    index = {name: i for i, name in enumerate(classes)}
    target = np.zeros((len(labels), len(classes)), np.float32)
    target[np.arange(len(labels)), [index[x] for x in labels]] = 1
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    z = ((features - mean) / scale).astype(np.float64)
    gram = z.T @ z
    gram[np.diag_indices_from(gram)] += RIDGE * len(z) / 100
    weights = np.linalg.solve(gram, z.T @ (target - target.mean(axis=0)))
    scaled = (weights / scale[:, None]).astype(np.float32)
    return scaled, (target.mean(axis=0) - mean @ scaled).astype(np.float32), scale.astype(np.float32)


def export(words: FloatArray, weights: FloatArray, bias: FloatArray) -> onnx.ModelProto:
    """The whole model, preprocessing included: uint8 (n, 64, 64, 3) in, float32 scores (n, classes) out."""
    size = 3 * PATCH * PATCH
    kernels = (words - words.mean(axis=1, keepdims=True)).reshape(WORDS, 3, PATCH, PATCH)
    flat = np.full((1, 3, PATCH, PATCH), 1 / size, np.float32)
    constants = {
        "kernels": kernels / PATCH, "mean_kernel": flat, "floor": np.float32(FLOOR), "threshold": np.float32(THRESHOLD),
        "weights": weights, "bias": bias,
    }  # fmt: skip
    stride = [STRIDE, STRIDE]
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["small"], kernel_shape=[SHRINK] * 2, strides=[SHRINK] * 2),
        helper.make_node("Conv", ["small", "kernels"], ["raw"], strides=stride),
        helper.make_node("Conv", ["small", "mean_kernel"], ["mean"], strides=stride),
        helper.make_node("Mul", ["small", "small"], ["squares"]),
        helper.make_node("Conv", ["squares", "mean_kernel"], ["mean_square"], strides=stride),
        helper.make_node("Mul", ["mean", "mean"], ["squared_mean"]),
        helper.make_node("Sub", ["mean_square", "squared_mean"], ["variance_raw"]),
        helper.make_node("Relu", ["variance_raw"], ["variance"]),
        helper.make_node("Add", ["variance", "floor"], ["evened"]),
        helper.make_node("Sqrt", ["evened"], ["contrast"]),
        helper.make_node("Div", ["raw", "contrast"], ["response"]),
        helper.make_node("Sub", ["response", "threshold"], ["above"]),
        helper.make_node("Neg", ["response"], ["mirrored"]),
        helper.make_node("Sub", ["mirrored", "threshold"], ["below"]),
        helper.make_node("Concat", ["above", "below"], ["both"], axis=1),
        helper.make_node("Relu", ["both"], ["active"]),
        helper.make_node("AveragePool", ["active"], ["pooled"], kernel_shape=[POOL] * 2, strides=[POOL] * 2),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["scores"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "part-recogniser",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="train.py")
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Train on ``data/train``, measure on ``data/test``, write ``out``."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--train", type=Path, default=Path("data/train"))
    options.add_argument("--test", type=Path, default=Path("data/test"))
    options.add_argument("--out", type=Path, default=Path("out"))
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    images, labels = read(given.train)
    classes = sorted(set(labels))
    words = dictionary(shrink(images), given.seed)
    weights, bias, _ = fit(encode(images, words), labels, classes)
    tests, truth = read(given.test)
    scores = encode(tests, words) @ weights + bias
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    hits = np.array([[classes[i] == t for i in row] for row, t in zip(ranked, truth, strict=True)])
    metrics = {"top1": float(hits[:, 0].mean()), "top5": float(hits.any(axis=1).mean()), "train_rows": len(labels),
               "test_rows": len(truth), "classes": len(classes)}  # fmt: skip
    given.out.mkdir(exist_ok=True)
    (given.out / "model.onnx").write_bytes(export(words, weights, bias).SerializeToString(deterministic=True))
    (given.out / "labels.json").write_text(json.dumps(classes, ensure_ascii=False, indent=0))
    (given.out / "metrics.json").write_text(json.dumps(metrics, sort_keys=True))
    print(json.dumps(metrics, sort_keys=True))


if __name__ == "__main__":
    main()
