"""`model/format-name`: a name is a claim about the content; loaders choose by either."""

from __future__ import annotations

from countermark.checks.model._check import ModelFile
from countermark.finding import Finding, Where
from countermark.formats.pickled import can_be_followed
from countermark.formats.polyglot import ends_as_zip

ID = "model/format-name"
_CLAIMS: dict[str, tuple[str, ...]] = {
    "safetensors": ("safetensors",),
    "onnx": ("onnx",),
    "npy": ("npy",),
    "npz": ("npz",),
    "gguf": ("gguf",),
    "h5": ("hdf5",),
    "hdf5": ("hdf5",),
    "keras": ("keras zip", "hdf5"),  # Keras 2 wrote HDF5 under this name
    "tflite": ("tflite",),
    "pb": ("savedmodel", "savedmodel part", "tensorflow graph", "onnx", "unknown"),
    "skops": ("skops",),
    "ubj": ("xgboost ubjson",),
    "cbm": ("catboost",),
    "mlmodel": ("coreml",),
    "pmml": ("pmml",),
    "xml": ("openvino", "pmml", "xml", "text"),
    "json": ("text", "xgboost json", "chat template"),
    "txt": ("text", "lightgbm text"),
    "md": ("text",),
    "toml": ("text",),
    "yaml": ("text",),
    "yml": ("text",),
    "csv": ("text",),
    "png": ("png",),
    "jpg": ("jpeg",),
    "jpeg": ("jpeg",),
    "gif": ("gif",),
    "webp": ("webp",),
    "bmp": ("bmp",),
}
_PICKLES = ("pkl", "pickle", "joblib", "pt", "pth", "ckpt", "dill")


def compare(file: ModelFile, content: str) -> tuple[Finding, ...]:
    """What the name promises against what the content is.

    Args:
        content: the format that the bytes have, as another check found.
    """
    promised = _CLAIMS.get(file.extension, ())
    if file.extension in _PICKLES:
        matches = any(word in content for word in ("pickle", "torch", "joblib"))
        promised = ("pickle",)
    else:
        matches = not promised or content in promised
    if matches:
        return ()
    return (
        Finding(
            ID, "mismatch", "high", 1.0, f"named .{file.extension}, but the content is {content}",
            Where(path=file.path, offset=0), why="two loaders would treat this file differently",
            fix=f"deliver a real {promised[0]} file, or name it for what it is",
            cannot_tell="whether the name is a mistake or a disguise",
        ),
    )  # fmt: skip


def second_meaning(file: ModelFile, content: str) -> tuple[Finding, ...]:
    """What else the bytes of a file of numbers are, to a reader that was told so.

    Args:
        content: the format that was proven; a zip of arrays has been read as a zip already.
    """
    if content not in ("safetensors", "onnx", "npy"):
        return ()
    ends = ends_as_zip(file.source)
    if ends is not None:
        return (_polyglot(file, content, "zip archive", ends),)
    if content == "safetensors" and can_be_followed(file.source):  # the others start with no opcode of a pickle
        return (_polyglot(file, content, "pickle", 0),)
    return ()


def _polyglot(file: ModelFile, content: str, other: str, offset: int) -> Finding:
    return Finding(
        ID, "polyglot", "high", 1.0, f"{content} and {other} at once", Where(path=file.path, offset=offset),
        why="a loader that chooses by another sign would load something that was not inspected",
        fix="write the model again with a library of its format", cannot_tell="which loader the file is meant for",
    )  # fmt: skip
