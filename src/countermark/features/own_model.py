"""Features of the user's own model: penultimate layer, and what lies before it.

An ONNX file is read by our own reader and run by ONNX Runtime with one inner tensor more among its outputs; a function
is called as it is. A model that was taught on the rows it is asked about has seen their labels: heads are fitted on
its features out of fold all the same, and the report says whose features they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused, MissingExtra, Unusable

BATCH = 256
MOST_BYTES = 2 << 30
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Encode = Callable[[Pixels], Floats]


def encoder(model: object) -> Encode:
    """From a model to a function of pictures, uint8 (n, h, w, 3) -> float32 (n, d).

    Args:
        model: a path to an ONNX file, its bytes, or a function of uint8 (n, h, w, 3) that returns an array (n, ...).

    Raises:
        Unusable: something else. FormatRefused: the file has no layer before its last. MissingExtra: `onnx` or ONNX Runtime
        is absent.
    """
    if isinstance(model, str | Path):
        model = _read(Path(model))
    if isinstance(model, bytes):
        return _of_onnx(model)
    if callable(model):
        return model
    raise Unusable(
        f"a model of type {type(model).__name__}",
        mend="an ONNX file, or a function of uint8 (n, h, w, 3) that returns features",
    )


def encoded(encode: Encode, images: Pixels, progress: Callable[[float], None] | None = None) -> Floats:
    """Features of all pictures, brought to one scale: float32 (n, d), standard deviation 1 over all.

    Raises:
        Unusable: the model returns other rows than it was given, or something that is not finite.
    """
    parts = []
    for at in range(0, len(images), BATCH):
        some = images[at : at + BATCH]
        parts.append(_features(encode(some), len(some)))
        if progress:
            progress(min(1.0, (at + BATCH) / len(images)))
    out = np.concatenate(parts)
    return np.asarray(out / max(float(out.std()), 1e-30), np.float32)


def series_encoded(encode: Callable[[Floats], NDArray[Any]], clips: Sequence[Floats]) -> Floats:
    """Features of clips of any length, as `encoded`; the encoder is called with clips of one length at a time.

    Args:
        encode: a function of float32 (m, t, channels). clips: float32 (t, channels) each.

    Raises:
        Unusable: no function, or as `encoded`; other features for one length than for another.
    """
    if not callable(encode):
        raise Unusable(f"an encoder of type {type(encode).__name__}", mend="a function of float32 (m, t, channels)")
    length = np.array([len(clip) for clip in clips])
    out: Floats | None = None
    for one in np.unique(length):
        rows = np.flatnonzero(length == one)
        for at in range(0, len(rows), BATCH):
            some = rows[at : at + BATCH]
            part = _features(encode(np.stack([clips[r] for r in some])), len(some))
            if out is None:
                out = np.empty((len(clips), part.shape[1]), np.float32)
            if part.shape[1] != out.shape[1]:
                raise Unusable(
                    f"the encoder answers with {part.shape[1]} features, and with {out.shape[1]} for other lengths"
                )
            out[some] = part
    if out is None:
        raise Unusable("no signal was given")
    return np.asarray(out / max(float(out.std()), 1e-30), np.float32)


def _features(answer: Any, rows: int) -> Floats:
    """An encoder's answer to so many rows: float32 (rows, d), all finite."""
    part = np.asarray(answer)
    if part.ndim < 2 or len(part) != rows:
        raise Unusable(f"the model answers with shape {part.shape} to {rows} rows")
    part = np.asarray(part, np.float32).reshape(len(part), -1)
    if not np.isfinite(part).all():
        raise Unusable("the model answers with something that is not a finite number")
    return part


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read", why=str(error)) from error
    if len(data) > MOST_BYTES:
        raise FormatRefused(f"{path.name} is larger than {MOST_BYTES} bytes")
    return data


def _of_onnx(data: bytes) -> Encode:
    from countermark.runtime import onnx

    model = onnx.load(with_inner(data))

    def encode(images: Pixels) -> Floats:
        return model.predict(_laid_out(images, model.input_shape))

    return encode


def _laid_out(images: Pixels, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Pictures as the model wants them: channels last or first, one channel or three, 0 to 255."""
    channels = [i for i, side in enumerate(shape) if side in (1, 3)]
    if len(shape) == 2:
        return np.asarray(images.mean(axis=3))
    if len(shape) != 3 or not channels:
        raise Unusable(
            f"the model takes pictures of shape {shape}", mend="(h, w, 3), (3, h, w), (h, w, 1), (1, h, w) or (h, w)"
        )
    at = channels[-1] if channels[-1] == 2 else 0
    laid = images if shape[at] == 3 else images.mean(axis=3, keepdims=True)
    return laid if at == 2 else np.moveaxis(laid, 3, 1)


def with_inner(data: bytes) -> bytes:
    """The same model with the input of its last matrix product as its only output.

    Raises:
        FormatRefused: malformed, or there is no matrix product, or nothing lies before it. MissingExtra: `onnx` is absent.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtra("inner layers need onnx", mend="pip install 'countermark[demo]'") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's classes are its own; whatever it says, the file cannot be read
        raise FormatRefused("the model cannot be read", why=str(error)[:400]) from error
    products = [node for node in model.graph.node if node.op_type in ("Gemm", "MatMul")]
    given = {i.name for i in model.graph.input} | {i.name for i in model.graph.initializer}
    if not products or products[-1].input[0] in given:
        raise FormatRefused(
            "the model has no layer before its last matrix product", mend="give a function that returns features"
        )
    inner = products[-1].input[0]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(inner, onnx.TensorProto.FLOAT, None))
    return bytes(model.SerializeToString())
