"""PyTorch tensors over verified bytes: a safetensors file without a copy, without pickle, without safetensors' own reader.

A PyTorch tensor can always be written to, so its memory must be nobody else's: it is taken from the handle, which reads and
verifies the file anew for the next who asks. The header is walked by our own bounded reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from countermark.errors import FormatRefused, MissingExtra
from countermark.formats import safetensors
from countermark.formats.source import Memory

if TYPE_CHECKING:
    import torch

    from countermark.artefact.handle import Handle

_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip


class TorchTensors(Mapping[str, "torch.Tensor"]):
    """Tensors of a safetensors file, on the CPU, each over the same private memory as the others.

    Attributes:
        metadata: the file's free texts.
    """

    def __init__(self, data: memoryview) -> None:
        """Read the header.

        Args:
            data: writable bytes of the whole file that nobody else holds.

        Raises:
            FormatRefused: it breaks its format or crosses a limit. MissingExtra: PyTorch is absent.
        """
        try:
            import torch
        except ImportError:
            raise MissingExtra("torch tensors need PyTorch", mend="pip install 'countermark[torch]'") from None
        facts = safetensors.read(Memory(data))
        self._torch = torch
        self._bytes = torch.frombuffer(data, dtype=torch.uint8)
        self._tensors = {tensor.name: tensor for tensor in facts.tensors}
        self.metadata = facts.metadata

    def __len__(self) -> int:
        return len(self._tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __getitem__(self, name: str) -> torch.Tensor:
        """The tensor in its own dtype; a copy only where the file put it at an address that its numbers cannot have.

        Raises:
            KeyError: no such tensor. FormatRefused: a boolean that is neither 0 nor 1, or numbers of less than a byte, which
            no tensor here holds: ask for `bits`.
        """
        tensor, bits = self._tensors[name], self.bits(name)
        if tensor.dtype not in _NAMES:
            raise FormatRefused(
                f"no tensor holds numbers of {tensor.dtype}", mend="ask for their bits, which are verified too"
            )
        if tensor.dtype == "BOOL" and bits.numel() and int(bits.max()) > 1:
            raise FormatRefused(f"tensor {name[:200]!r} holds booleans that are neither 0 nor 1")
        dtype: torch.dtype = getattr(self._torch, _NAMES[tensor.dtype])
        try:
            if not bits.numel():
                return self._torch.empty(tensor.shape, dtype=dtype)
            odd = bits.data_ptr() % dtype.itemsize or bits.storage_offset() % dtype.itemsize
            whole = bits.clone() if odd else bits
            return whole.view(dtype).view(tensor.shape)
        except (RuntimeError, TypeError) as error:
            raise FormatRefused(f"PyTorch makes no tensor of shape {tensor.shape[:8]}", why=str(error)[:200]) from error

    def bits(self, name: str) -> torch.Tensor:
        """A tensor's bytes as they lie in the file: uint8, one axis."""
        tensor = self._tensors[name]
        return self._bytes[tensor.begin : tensor.end]

    def dtype(self, name: str) -> str:
        """A tensor's dtype as the file names it, such as ``BF16``."""
        return self._tensors[name].dtype


def from_handle(handle: Handle, path: str) -> TorchTensors:
    """The tensors of a safetensors file in a verified tree.

    Raises:
        As `TorchTensors`; TreeRefused, Unusable: as `Handle.take`.
    """
    data = handle.take(path)
    if not safetensors.announces(bytes(data[:9])):
        raise FormatRefused(
            f"{path} is no safetensors file", why=f"it begins with {bytes(data[:8]).hex() or 'nothing'}",
            mend="convert it to safetensors where it was made, and have that signed",
        )  # fmt: skip
    return TorchTensors(data)
