"""Features of the user's own model: the layer before its last.

An ONNX file is read by our own reader and run by ONNX Runtime with one inner tensor more among its outputs; a function
is called as it is. A model that was taught on the rows it is asked about has seen their labels: heads are fitted on
its features out of fold all the same, and the report says whose features they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused, MissingExtra, Unusable
from countermark.features import torch_model

BATCH = 256
SIDE, MOST_SIDE = 64, 4096  # where a model takes any size, and the largest
MOST_BYTES = 2 << 30
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Encode = Callable[[Any], Floats]


@dataclass(frozen=True, slots=True)
class Given:
    """Features made elsewhere: float32 (n, d), one row a picture, and what they are, in words for the report."""

    values: Floats
    name: str = "features handed over (heads fitted out of fold)"


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """The bytes of an ONNX file, and what it is called."""

    data: bytes
    name: str = "an ONNX model"

    def words(self, taken: str) -> str:
        """For the report: whose features these are, and how rows were brought to what the model takes."""
        digest = hashlib.sha256(self.data).hexdigest()
        return (
            f"inner layer of {self.name} (SHA-256 {digest[:16]}), {taken}; heads fitted out of fold, as whether the model was "
            "taught on these rows is not known"
        )


def onnx_file(model: object) -> OnnxFile | None:
    """An ONNX file from itself, its bytes or its path; None where it is something else.

    Raises:
        Unusable: it cannot be read. FormatRefused: it is too large.
    """
    if isinstance(model, str | Path):
        return OnnxFile(_read(Path(model)), Path(model).name)
    if isinstance(model, bytes):
        return OnnxFile(model)
    return model if isinstance(model, OnnxFile) else None


def given(model: object) -> Given | None:
    """What was handed over instead of a model: a `Given`, or an array (n, d) of finite numbers; None where it is none.

    Raises:
        Unusable: another shape, or numbers that are not finite.
    """
    one = Given(np.asarray(model, np.float32)) if isinstance(model, np.ndarray) else model
    if not isinstance(one, Given):
        return None
    if one.values.ndim != 2 or not np.isfinite(one.values).all():
        raise Unusable(f"features of shape {one.values.shape}", mend="finite numbers, rows x features")
    return one


def encoder(model: object) -> Encode:
    """From a model to a function of pictures, uint8 (n, h, w, 3) -> float32 (n, d).

    Args:
        model: a path to an ONNX file, its bytes, a torch module (see `torch_model.of_module`), or a function of uint8 (n, h, w, 3)
            that returns an array (n, ...).

    Raises:
        Unusable: something else. FormatRefused: the file has no layer before its last. MissingExtra: `onnx` or ONNX Runtime
        is absent.
    """
    file = onnx_file(model)
    if file is not None:
        return of_onnx(file.data)[0]
    if torch_model.is_module(model):
        return torch_model.of_module(model)
    if callable(model):
        return model
    raise Unusable(
        f"a model of type {type(model).__name__}",
        mend="an ONNX file, a torch module, or a function of uint8 (n, h, w, 3) that returns features",
    )


def encoded(encode: Encode, images: Pixels, progress: Callable[[float], None] | None = None) -> Floats:
    """Features of all pictures, brought to one scale: float32 (n, d), standard deviation 1 over all.

    Raises:
        Unusable: the model returns other rows than it was given, or something that is not finite.
    """

    def parts() -> Iterator[Pixels]:
        for at in range(0, len(images), BATCH):
            yield images[at : at + BATCH]
            if progress:
                progress(min(1.0, (at + BATCH) / len(images)))

    return in_batches(encode, parts())


def in_batches(encode: Encode, batches: Iterable[NDArray[Any]]) -> Floats:
    """The same of rows that come in batches, so that only their features are kept.

    Raises:
        As `encoded`.
    """
    return on_one_scale(np.concatenate([checked(encode(batch), len(batch)) for batch in batches]))


def on_one_scale(values: Floats) -> Floats:
    """Features with a standard deviation of 1 over all."""
    return np.asarray(values / max(float(values.std()), 1e-30), np.float32)


def checked(answer: object, rows: int) -> Floats:
    """What a model answered to so many rows, as float32 (rows, d).

    Raises:
        Unusable: of another shape, or not finite.
    """
    part = np.asarray(answer)
    if part.ndim < 2 or len(part) != rows:
        raise Unusable(f"the model answers with shape {part.shape} to {rows} rows")
    part = np.asarray(part, np.float32).reshape(rows, -1)
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


def of_onnx(data: bytes) -> tuple[Encode, tuple[int, int]]:
    """A function of pictures that gives the model's inner layer, and the height and width of the pictures it takes.

    Raises:
        FormatRefused, MissingExtra: as `with_inner` and `runtime.onnx.load`. Unusable: it takes no pictures, or larger ones than 4096 pixels a side.
    """
    from countermark.runtime import onnx

    model = onnx.load(with_inner(data))
    sides = _sides(model.input_shape)

    def encode(images: Pixels) -> Floats:
        return model.predict(_laid_out(images, model.input_shape))

    return encode, sides


def _channels(shape: tuple[int | None, ...]) -> int | None:
    """Where the channels stand in a model's input, 0 or 2; None where it takes grey pictures without them.

    Raises:
        Unusable: it takes no pictures.
    """
    at = [i for i, side in enumerate(shape) if side in (1, 3) and i != 1]
    if len(shape) == 2:
        return None
    if len(shape) != 3 or not at:
        raise Unusable(
            f"the model takes pictures of shape {shape}", mend="(h, w, 3), (3, h, w), (h, w, 1), (1, h, w) or (h, w)"
        )
    return at[-1]


def _sides(shape: tuple[int | None, ...]) -> tuple[int, int]:
    at = _channels(shape)
    height, width = (side for i, side in enumerate(shape) if i != at)
    if max(height or SIDE, width or SIDE) > MOST_SIDE:
        raise Unusable(f"the model takes pictures of {height} x {width}", mend=f"at most {MOST_SIDE} pixels a side")
    return height or SIDE, width or SIDE


def _laid_out(images: Pixels, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Pictures as the model wants them: channels last or first, one channel or three, 0 to 255."""
    at = _channels(shape)
    if at is None:
        return np.asarray(images.mean(axis=3))
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
