"""Loading from a verified handle: by what a file is, never by running it.

safetensors, .npy and .npz become arrays over the very bytes that were hashed; ONNX becomes a model. Pickles, joblib and
torch files are refused: loading them runs the code that they name, and no hash of theirs says that it is harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from countermark.artefact.handle import Handle
from countermark.errors import FormatRefused
from countermark.formats import npy, onnx, pickled, safetensors
from countermark.formats.source import Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from countermark.runtime.arrays import Tensors
    from countermark.runtime.onnx import OnnxModel

_HEAD = 64
_ZIP = b"PK\x03\x04"


def load(
    handle: Handle, path: str, *, threads: int = 1
) -> Tensors | NDArray[Any] | dict[str, NDArray[Any]] | OnnxModel:
    """A file of a verified tree, loaded.

    Args:
        path: inside the tree. threads: of ONNX Runtime.

    Returns:
        safetensors: `arrays.Tensors`; .npy: an array; .npz: arrays by name; ONNX: a model that predicts.

    Raises:
        TreeRefused: it is not what was signed. FormatRefused: it breaks its format, could run code, or is none of
        these. MissingExtra: the library that it needs is absent.
    """
    # ONNX Runtime takes one `bytes` object, so that its file is read as one; the others need no such thing.
    data = handle.content(path) if path.endswith(".onnx") else handle.view(path)
    head = bytes(data[:_HEAD])
    if head.startswith(npy.MAGIC) or safetensors.announces(head):
        return _numbers(data, head)
    if kind := pickled.recognise(Memory(data)):
        raise _refused(path, kind)
    if head.startswith(_ZIP):
        from countermark.runtime import arrays

        return arrays.read_npz(data)
    if onnx.announces(head):
        from countermark.runtime import onnx as runtime

        return runtime.from_handle(handle, path, threads=threads)
    raise FormatRefused(
        f"{path} is no safetensors, .npy, .npz or ONNX file", why=f"it begins with {head[:8].hex() or 'nothing'}",
        mend="hand its verified bytes to a loader of your own: content(path), or a path that nobody can change: sealed(path); "
        "a program that wants the folder: run(command, output)",
    )  # fmt: skip


def _numbers(data: memoryview | bytes, head: bytes) -> Tensors | NDArray[Any]:
    from countermark.runtime import arrays

    return arrays.read_npy(data) if head.startswith(npy.MAGIC) else arrays.Tensors(data)


def _refused(path: str, kind: str) -> FormatRefused:
    return FormatRefused(
        f"{path} is {kind}, which runs code when it is loaded",
        why="that its bytes are the signed ones does not say what the code in them does",
        mend="convert it to safetensors or ONNX where it was made, and have that signed",
    )
