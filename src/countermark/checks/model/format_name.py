"""`model/format-name`: a name is a claim about the content; loaders choose by either."""

from __future__ import annotations

from countermark.checks.model._check import ModelFile
from countermark.finding import Finding, Where

ID = "model/format-name"
VERSION = 1
_CLAIMS: dict[str, tuple[str, ...]] = {
    "safetensors": ("safetensors",),
    "onnx": ("onnx",),
    "npy": ("npy",),
    "npz": ("npz",),
    "gguf": ("gguf",),
    "h5": ("hdf5",),
    "hdf5": ("hdf5",),
    "keras": ("keras zip",),
    "tflite": ("tflite",),
    "json": ("text",),
    "txt": ("text",),
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
