"""Arrays over verified bytes: safetensors, .npy and .npz without a copy, without pickle, never written to.

Our own bounded readers walk the header; what NumPy gets is a dtype, a shape and a piece of memory.
"""

from __future__ import annotations

import ast
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused, MissingExtra
from countermark.formats import npy, safetensors, zipped
from countermark.formats.limits import Malformed
from countermark.formats.source import Memory
from countermark.sandbox.task import Source

_DTYPES = {
    "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8", "BOOL": "?",
}  # fmt: skip
_BEYOND = {
    "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""What NumPy has no numbers for, by its name in ml_dtypes."""


Span = Callable[[int, int], memoryview]
"""Verified bytes [begin, end) of a file, which nobody else writes to."""


class ByName(Mapping[str, NDArray[Any]]):
    """Tensors of a safetensors file, each a read-only array over verified bytes that are asked for when it is.

    Attributes:
        metadata: the file's free texts.
    """

    def __init__(self, source: Source, span: Span) -> None:
        """Read the header.

        Args:
            source: of the file's bytes, for its header. span: of the same file, for tensors.

        Raises:
            FormatRefused: it breaks its format or crosses a limit.
        """
        facts = safetensors.read(source)
        self._span = span
        self._tensors = {tensor.name: tensor for tensor in facts.tensors}
        self.metadata = facts.metadata

    def __len__(self) -> int:
        return len(self._tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The tensor as an array of its own dtype.

        Raises:
            KeyError: no such tensor. MissingExtra: NumPy needs ml_dtypes for it. FormatRefused: a boolean that is
            neither 0 nor 1, or numbers of less than a byte, which no array holds: ask for `bits`; as the span.
        """
        tensor = self._tensors[name]
        dtype = dtype_of(tensor.dtype)
        data = self._span(tensor.begin, tensor.end)
        if tensor.dtype == "BOOL" and len(data) and np.frombuffer(data, np.uint8).max() > 1:
            raise FormatRefused(f"tensor {name[:200]!r} holds booleans that are neither 0 nor 1")
        return _array(data, dtype, tensor.shape, 0)

    def bits(self, name: str) -> NDArray[np.uint8]:
        """A tensor's bytes as they lie in the file: uint8, one axis; for dtypes that no array holds."""
        tensor = self._tensors[name]
        return _array(self._span(tensor.begin, tensor.end), np.dtype("u1"), (tensor.end - tensor.begin,), 0)

    def dtype(self, name: str) -> str:
        """A tensor's dtype as the file names it, such as ``BF16``."""
        return self._tensors[name].dtype


class Tensors(ByName):
    """The same over a file that is in memory whole: arrays share it, without a copy."""

    def __init__(self, data: memoryview | bytes) -> None:
        """Read the header.

        Raises:
            FormatRefused: it breaks its format or crosses a limit.
        """
        view = memoryview(data)
        super().__init__(Memory(data), lambda begin, end: view[begin:end])


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's dtype for one of safetensors.

    Raises:
        MissingExtra: only ml_dtypes has it, and is absent. FormatRefused: nobody has it.
    """
    if name in _DTYPES:
        return np.dtype(_DTYPES[name])
    if name not in _BEYOND:
        raise FormatRefused(f"no array holds numbers of {name}", mend="ask for their bits, which are verified too")
    try:
        import ml_dtypes
    except ImportError:
        raise MissingExtra(
            f"NumPy has no {name}", why="reading its bits as other numbers would be wrong without a word",
            mend="pip install 'countermark[load]', or ask for the tensor's bits",
        ) from None  # fmt: skip
    beyond: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _BEYOND[name]))
    return beyond


def read_npy(data: memoryview | bytes) -> NDArray[Any]:
    """The array of an .npy file, read-only, over `data`.

    Raises:
        FormatRefused: it breaks its format, or holds pickled objects.
    """
    return _numpy(memoryview(data), npy.read_npy(Memory(data)))


def read_npz(data: memoryview | bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file: over `data` where they are stored plainly, else inflated within the limits.

    Raises:
        FormatRefused: it breaks its format, or holds pickled objects.
    """
    source, view = Memory(data), memoryview(data)
    facts = npy.read_npz(source)
    members = {member.name: member for member in zipped.read(source).members}
    return {
        name.removesuffix(".npy"): _numpy(_member(source, view, members[name]), array)
        for name, array in facts.arrays.items()
    }


def _member(source: Memory, view: memoryview, member: zipped.Member) -> memoryview:
    if not member.deflated:
        content = view[member.data_at : member.data_at + member.size]
        if zlib.crc32(content) != member.crc:
            raise Malformed("zip-content", f"{member.name!r} does not have its CRC", offset=member.data_at)
        return content
    out, at = bytearray(member.size), 0
    for piece in zipped.chunks(source, member):
        out[at : at + len(piece)] = piece
        at += len(piece)
    return memoryview(out).toreadonly()


def _numpy(data: memoryview, facts: npy.NpyFacts) -> NDArray[Any]:
    descr: Any = ast.literal_eval(facts.dtype) if facts.dtype.startswith("[") else facts.dtype
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError) as error:
        raise Malformed("npy-dtype", f"NumPy has no dtype {facts.dtype[:100]!r}") from error
    if dtype.hasobject:
        raise Malformed("npy-objects", "an array of objects", why="its elements are a pickle, and loading one runs what it says",
                        mend="keep texts as fixed-width, records as a table")  # fmt: skip
    if dtype.itemsize != facts.item_bytes:
        raise Malformed("npy-dtype", f"{facts.dtype[:100]!r} is {dtype.itemsize} bytes to NumPy")
    array = _array(data, dtype, facts.shape, facts.header_bytes, "F" if facts.fortran_order else "C")
    _check_truth(array)
    return array


def _check_truth(array: NDArray[Any]) -> None:
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise FormatRefused("an array holds booleans that are neither 0 nor 1")


def _array(
    data: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, order: Any = "C"
) -> NDArray[Any]:
    """A read-only array over `data`.

    Raises:
        FormatRefused: NumPy has no arrays of so many axes or elements.
    """
    try:
        # Over an array, not over `data`: NumPy would look behind a view, find memory that can be written to, and allow it.
        array: NDArray[Any] = np.ndarray(shape, dtype, np.frombuffer(data, np.uint8), offset, order=order)
    except (ValueError, OverflowError, TypeError) as error:
        raise FormatRefused(f"NumPy makes no array of shape {shape[:8]}", why=str(error)[:200]) from error
    array.flags.writeable = False
    return array
