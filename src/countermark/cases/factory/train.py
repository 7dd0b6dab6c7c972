"""The manufacturer's own training script: k-means patch features and a ridge, exported to ONNX.

It reads ``data/train/CLASS/*.png`` and ``data/test/CLASS/*.png`` and writes ``out/model.onnx``, ``out/labels.json`` and
``out/metrics.json``. One thread, one seed, the same bytes each time.

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
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

SIDE, SHRINK, PATCH, STRIDE, POOL = 64, 2, 5, 3, 2
WORDS, THRESHOLD, FLOOR, RIDGE = 48, 0.30, 12.0, 60.0
FloatArray = NDArray[np.float32]


def read(folder: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """All pictures below CLASS folders, in path order: uint8 (n, 64, 64, 3), and their labels."""
    paths = sorted(folder.glob("*/*.png"))
    if not paths:
        raise SystemExit(f"no pictures below {folder}")
    pixels = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    for row, path in zip(pixels, paths, strict=True):
        with Image.open(path) as picture:
            row[:] = np.asarray(picture.convert("RGB").resize((SIDE, SIDE)))
    return pixels, [path.parent.name for path in paths]


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
    if len(sample) < WORDS:
        raise SystemExit(f"only {len(sample)} patches with any contrast: nothing can be learnt from these pictures")
    means = MiniBatchKMeans(WORDS, random_state=seed, n_init=1, batch_size=4096, max_iter=30).fit(sample)
    words = means.cluster_centers_.astype(np.float32)
    words -= words.mean(axis=1, keepdims=True)
    return np.asarray(words / np.linalg.norm(words, axis=1, keepdims=True), np.float32)


def encode(images: NDArray[np.uint8], words: FloatArray, batch: int = 100) -> FloatArray:
    """Pooled activations: (n, 2 * WORDS * pooled positions); float32."""
    side = (SIDE // SHRINK - PATCH) // STRIDE + 1
    cells = side // POOL
    out = np.empty((len(images), 2 * WORDS * cells * cells), np.float32)
    for start in range(0, len(images), batch):
        flat = normalised(patches(shrink(images[start : start + batch])))
        response = flat @ words.T / np.float32(PATCH)
        both = np.concatenate([response - THRESHOLD, -response - THRESHOLD], axis=-1)
        both = np.maximum(both, 0).reshape(len(flat), side, side, 2 * WORDS)[:, : cells * POOL, : cells * POOL]
        pooled = both.reshape(len(flat), cells, POOL, cells, POOL, 2 * WORDS).mean(axis=(2, 4))
        out[start : start + batch] = pooled.transpose(0, 3, 1, 2).reshape(len(flat), -1)
    return out


def fit(features: FloatArray, labels: list[str], classes: list[str]) -> tuple[FloatArray, FloatArray]:
    """Ridge from standardised features to one-hot classes: weights (d, k) for plain features, bias (k,)."""
    index = {name: i for i, name in enumerate(classes)}
    target = np.zeros((len(labels), len(classes)), np.float32)
    target[np.arange(len(labels)), [index[x] for x in labels]] = 1
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    z = (features - mean) / scale
    gram = (z.T @ z).astype(np.float64)
    gram[np.diag_indices_from(gram)] += RIDGE * len(z) / 100
    weights = np.linalg.solve(gram, (z.T @ (target - target.mean(axis=0))).astype(np.float64))
    scaled = (weights / scale[:, None]).astype(np.float32)
    return scaled, (target.mean(axis=0) - mean @ scaled).astype(np.float32)


def nodes() -> list[onnx.NodeProto]:
    """The graph: shrink, contrast-normalised convolution (var = E[x^2] - E[x]^2), soft threshold, pooling, scores."""
    stride = [STRIDE, STRIDE]
    make = helper.make_node
    return [
        make("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        make("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        make("AveragePool", ["planes"], ["small"], kernel_shape=[SHRINK] * 2, strides=[SHRINK] * 2),
        make("Conv", ["small", "kernels"], ["raw"], strides=stride),
        make("Conv", ["small", "mean_kernel"], ["mean"], strides=stride),
        make("Mul", ["small", "small"], ["squares"]),
        make("Conv", ["squares", "mean_kernel"], ["mean_square"], strides=stride),
        make("Mul", ["mean", "mean"], ["squared_mean"]),
        make("Sub", ["mean_square", "squared_mean"], ["difference"]),
        make("Relu", ["difference"], ["variance"]),
        make("Add", ["variance", "floor"], ["evened"]),
        make("Sqrt", ["evened"], ["contrast"]),
        make("Div", ["raw", "contrast"], ["response"]),
        make("Sub", ["response", "threshold"], ["above"]),
        make("Neg", ["response"], ["mirrored"]),
        make("Sub", ["mirrored", "threshold"], ["below"]),
        make("Concat", ["above", "below"], ["both"], axis=1),
        make("Relu", ["both"], ["active"]),
        make("AveragePool", ["active"], ["pooled"], kernel_shape=[POOL] * 2, strides=[POOL] * 2),
        make("Flatten", ["pooled"], ["features"], axis=1),
        make("MatMul", ["features", "weights"], ["product"]),
        make("Add", ["product", "bias"], ["scores"]),
    ]


def export(words: FloatArray, weights: FloatArray, bias: FloatArray) -> onnx.ModelProto:
    """The whole model, preprocessing included: uint8 (n, 64, 64, 3) in, float32 scores (n, classes) out."""
    constants = {
        "kernels": words.reshape(WORDS, 3, PATCH, PATCH) / PATCH,
        "mean_kernel": np.full((1, 3, PATCH, PATCH), 1 / (3 * PATCH * PATCH)),
        "floor": FLOOR,
        "threshold": THRESHOLD,
        "weights": weights,
        "bias": bias,
    }
    graph = helper.make_graph(
        nodes(),
        "part-recogniser",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="train.py")
    onnx.checker.check_model(model)
    return model


def measure(scores: FloatArray, truth: list[str], classes: list[str]) -> dict[str, float]:
    """Share of pictures whose class is the first, or among the first five."""
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    hits = np.array(classes)[ranked] == np.array(truth)[:, None]
    return {"top1": round(float(hits[:, 0].mean()), 6), "top5": round(float(hits.any(axis=1).mean()), 6)}


def main() -> None:
    """Train on ``data/train``, measure on ``data/test``, write ``out``."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--train", type=Path, default=Path("data/train"))
    options.add_argument("--test", type=Path, default=Path("data/test"))
    options.add_argument("--out", type=Path, default=Path("out"))
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    images, labels = read(given.train)
    tests, truth = read(given.test)
    classes = sorted(set(labels))
    words = dictionary(shrink(images[:: max(1, len(images) // 2000)]), given.seed)
    weights, bias = fit(encode(images, words), labels, classes)
    counts = {"train_rows": len(labels), "test_rows": len(truth), "classes": len(classes)}
    metrics = {**measure(encode(tests, words) @ weights + bias, truth, classes), **counts}
    given.out.mkdir(exist_ok=True)
    (given.out / "model.onnx").write_bytes(export(words, weights, bias).SerializeToString(deterministic=True))
    (given.out / "labels.json").write_text(json.dumps(classes, ensure_ascii=False, indent=0), encoding="utf-8")
    (given.out / "metrics.json").write_text(json.dumps(metrics, sort_keys=True), encoding="utf-8")
    print(json.dumps(metrics, sort_keys=True))  # noqa: T201 - a script's result


if __name__ == "__main__":
    with threadpool_limits(1):  # more threads add up in another order and give other bytes
        main()
