"""Loading from a sealed asset: arrays and models over decrypted private memory, and one tensor without the others.

What goes to the runtime is an `Opened`, which answers `view`, `content`, `take` and `in` as a verified handle does: every byte that it gives was
in a chunk that had the signed hash and whose tag held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from countermark.errors import FormatRefused, PolicyRefused
from countermark.formats import safetensors
from countermark.formats.limits import Malformed
from countermark.seal.opened import Opened

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from countermark.artefact.handle import Handle
    from countermark.runtime.arrays import Tensors
    from countermark.runtime.onnx import OnnxModel
    from countermark.runtime.torch_tensors import TorchTensors


def load(files: Opened, path: str, *, threads: int = 1) -> Tensors | NDArray[Any] | dict[str, NDArray[Any]] | OnnxModel:
    """A file of a sealed asset, loaded by what it is: safetensors, .npy, .npz, ONNX (with the data files that it names).

    Arrays are read-only and lie over the decrypted memory, without a copy. ONNX Runtime takes a copy that nobody can overwrite.

    Args:
        threads: of ONNX Runtime.

    Raises:
        As `runtime.load.load`; FormatRefused: the sealed file was changed.
    """
    from countermark.runtime.load import load as load_verified

    return load_verified(cast("Handle", files), path, threads=threads)


def torch(files: Opened, path: str) -> TorchTensors:
    """A sealed safetensors file as PyTorch tensors over the decrypted memory.

    Raises:
        As `load`; MissingExtra: PyTorch is absent.
    """
    from countermark.runtime.torch_tensors import from_handle

    return from_handle(cast("Handle", files), path)


class OneByOne(Mapping[str, "NDArray[Any]"]):
    """Tensors of a sealed safetensors file, each read and decrypted when it is asked for, and no others with it.

    For some tensors of a large file; whoever wants all of them takes `load`, which decrypts each chunk once.

    Attributes:
        metadata: the file's free texts.
    """

    def __init__(self, files: Opened, path: str) -> None:
        """Read the file's header alone.

        Raises:
            FormatRefused: it breaks its format, or the sealed file was changed. TreeRefused: no such file.
        """
        self._files, self._path = files, path
        facts = safetensors.read(_Source(files, path))
        self._tensors = {tensor.name: tensor for tensor in facts.tensors}
        self.metadata = facts.metadata

    def __len__(self) -> int:
        return len(self._tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One tensor, in memory of its own, writable.

        Raises:
            KeyError: no such tensor. FormatRefused: the sealed file was changed, or no array holds it. MissingExtra: NumPy needs ml_dtypes for it.
        """
        import numpy as np

        from countermark.runtime.arrays import dtype_of

        tensor = self._tensors[name]
        dtype = dtype_of(tensor.dtype)
        data = self._files.read(self._path, tensor.begin, tensor.end)
        if tensor.dtype == "BOOL" and len(data) and max(data) > 1:
            raise FormatRefused(f"tensor {name[:200]!r} holds booleans that are neither 0 nor 1")
        made: NDArray[Any] = np.frombuffer(data, dtype).reshape(tensor.shape)
        return made


class _Source:
    """A sealed file as the bounded readers take it."""

    def __init__(self, files: Opened, path: str) -> None:
        self._files, self._path, self.size = files, path, files.size(path)

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        return bytes(self._files.read(self._path, offset, offset + count))


def refuse_plain(kind: str, required: Collection[str], what: str) -> None:
    """Refuse an asset that is not sealed where policy says that its kind is.

    Args:
        kind: of `manifest.KINDS`. required: what the policy names. what: the asset, for people.

    Raises:
        PolicyRefused: it must be sealed. Nothing that lies beside the asset can change that.
    """
    if kind in required:
        raise PolicyRefused(
            f"{what} is not sealed, and the policy takes sealed {kind}s only", why="a plain file in its place would be a downgrade",
            mend=f"get {what}.cmsealed from its owner (`countermark seal`)",
        )  # fmt: skip
