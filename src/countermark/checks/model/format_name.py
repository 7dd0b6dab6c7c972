"""`model/format-name`: a name is a claim about the content; loaders choose by either."""

from __future__ import annotations

from countermark.checks.model._check import ModelFile
from countermark.finding import Finding, Where
from countermark.formats import tar
from countermark.formats.pickled import can_be_followed
from countermark.formats.polyglot import END_BYTES, begins_as_tar, ends_as_zip
from countermark.sandbox.task import Source

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
_ZIPS = frozenset({"zip", "npz", "keras zip", "skops", "torch (zip)", "torchscript"})
"""What has been read as a zip already, up to its end record."""
_FOLLOWED = frozenset({"safetensors", "gguf"})
"""Formats whose first bytes are opcodes of a pickle, with lengths that may hide a jump; the others stop one at once."""
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
    """What else the bytes of a proven file are, to a reader that was told so.

    Zip readers look from the end: Keras opens whatever ends as a zip and is called .keras, skops opens anything.

    Args:
        content: the format that was proven.
    """
    ends = None if content in _ZIPS else ends_as_zip(file.source)
    if ends is not None and not (content == "tar" and _ends_a_member(file.source, ends)):
        return (_polyglot(file, content, "zip archive", ends),)
    if content != "tar" and begins_as_tar(file.head):
        return (_polyglot(file, content, "tar archive", 0),)
    if content in _FOLLOWED and can_be_followed(file.source):
        return (_polyglot(file, content, "pickle", 0),)
    return ()


def _ends_a_member(source: Source, ends: int) -> bool:
    """Whether a zip end record is the last of a member that is a zip: that one was looked at as a file of its own."""
    return any(
        at <= ends and ends + END_BYTES == at + size and source.read(at, 4) == b"PK\x03\x04"
        for _, at, size in tar.named(source)
    )


def _polyglot(file: ModelFile, content: str, other: str, offset: int) -> Finding:
    return Finding(
        ID, "polyglot", "high", 1.0, f"{content} and {other} at once", Where(path=file.path, offset=offset),
        why="a loader that chooses by another sign would load something that was not inspected",
        fix="write the model again with a library of its format", cannot_tell="which loader the file is meant for",
    )  # fmt: skip
