"""Weights of a model file as arrays, and the same file again with some of them changed: safetensors, and ONNX with weights inside.

Every other byte of the file stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused
from countermark.formats import onnx, safetensors
from countermark.formats.limits import Malformed, ModelLimits, OverLimit
from countermark.formats.protobuf import Field, Walker
from countermark.formats.source import Buffered, FileSource

Floats = NDArray[np.float32]
FLOATS = ("F32", "F16", "BF16", "F64")
"""Types that can be written again."""
_ONNX_TYPES = {1: "F32", 2: "U8", 3: "I8", 10: "F16", 11: "F64", 16: "BF16", 21: "U4", 22: "I4"}
_BITS = {**safetensors.BITS, "U4": 4, "I4": 4}
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor that is read here: name, type, shape, and its bytes in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class WeightsFile:
    """A model file whose tensors are read as float32.

    Attributes:
        tensors: by name. unread: names of tensors that are of a type, or stored in a way, that is not read here.
    """

    def __init__(self, path: Path, limits: ModelLimits | None = None) -> None:
        """Open the file and find its tensors.

        Raises:
            Unusable: it cannot be read. FormatRefused: it is neither of the two formats, or malformed.
        """
        self._source = FileSource(path)
        bounds = limits or ModelLimits()
        self.tensors: dict[str, Stored] = {}
        self.unread: list[str] = []
        try:
            head = self._source.read(0, min(9, self._source.size))
            if safetensors.announces(head):
                self._take_safetensors(bounds)
            elif onnx.announces(head):
                self._take_onnx(bounds)
            else:
                raise FormatRefused(f"{path.name} is neither safetensors nor ONNX", why="only these two are read for fingerprints",
                                    mend="`countermark convert` writes a checkpoint of torch as safetensors")  # fmt: skip
        except BaseException:
            self._source.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._source.release()

    @property
    def sha256(self) -> str:
        """Hex digest of the whole file."""
        return self._source.sha256

    def content(self, name: str) -> bytes:
        """A tensor's bytes."""
        stored = self.tensors[name]
        return self._source.read(stored.begin, stored.end - stored.begin)

    def array(self, name: str) -> Floats:
        """A tensor as float32, in its shape; integers as they are stored, without scale, unsigned ones around their median."""
        stored = self.tensors[name]
        return _FROM[stored.dtype](self.content(name), prod(stored.shape)).reshape(stored.shape)

    def pieces(self, changed: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
        """The file's bytes, some tensors' replaced by as many others.

        Args:
            changed: name and new bytes, in the order in which tensors lie in the file.
        """
        at = 0
        for name, data in changed:
            stored = self.tensors[name]
            if stored.begin < at or len(data) != stored.end - stored.begin:
                raise ValueError(f"{name}: out of order, or of another length")
            yield from self._copied(at, stored.begin)
            yield data
            at = stored.end
        yield from self._copied(at, self._source.size)

    def _copied(self, begin: int, end: int) -> Iterator[bytes]:
        for at in range(begin, end, _PIECE):
            yield self._source.read(at, min(_PIECE, end - at))

    def _take(self, stored: Stored) -> None:
        if stored.name in self.tensors:
            raise Malformed("twice", f"two tensors are called {stored.name[:80]!r}", offset=stored.begin)
        self.tensors[stored.name] = stored

    def _take_safetensors(self, bounds: ModelLimits) -> None:
        for one in safetensors.read(self._source, bounds).tensors:
            if one.dtype in _FROM:
                self._take(Stored(one.name, one.dtype, one.shape, one.begin, one.end))
            else:
                self.unread.append(one.name)

    def _take_onnx(self, bounds: ModelLimits) -> None:
        walk = Walker(Buffered(self._source), bounds.messages)
        for item in walk.fields("ModelProto", 0, self._source.size):
            if item.name == "graph":
                for part in walk.fields("GraphProto", item.begin, item.end):
                    if part.name == "initializer":
                        self._onnx_tensor(walk, part, "", bounds)
                    elif part.name == "node":
                        self._onnx_constant(walk, part, bounds)

    def _onnx_constant(self, walk: Walker, node: Field, bounds: ModelLimits) -> None:
        """A tensor that a Constant node holds, called as its output."""
        kind, output, attributes = "", "", []
        for item in walk.fields("NodeProto", node.begin, node.end):
            if item.name == "op_type":
                kind = walk.text(item)
            elif item.name == "output":
                output = output or walk.text(item)
            elif item.name == "attribute":
                attributes.append(item)
        for attribute in attributes if kind == "Constant" else []:
            for item in walk.fields("AttributeProto", attribute.begin, attribute.end):
                if item.name == "t":
                    self._onnx_tensor(walk, item, output, bounds)

    def _onnx_tensor(self, walk: Walker, parent: Field, name: str, bounds: ModelLimits) -> None:
        dims: list[int] = []
        kind, data, places = 0, (0, 0), 0
        for item in walk.fields("TensorProto", parent.begin, parent.end):
            if item.name == "name":
                name = name or walk.text(item)
            elif item.name == "data_type":
                kind = item.value
            elif item.name == "dims":
                if item.size > 10 * bounds.axes or len(dims) >= bounds.axes:
                    raise OverLimit("axes", item.size, bounds.axes, offset=item.begin)
                dims += walk.numbers(item)
            elif item.name == "raw_data" or (item.name == "float_data" and item.packed):
                data, places = (item.begin, item.end), places + 1
        if len(self.tensors) + len(self.unread) >= bounds.tensors:
            raise OverLimit("tensors", bounds.tensors + 1, bounds.tensors, offset=parent.begin)
        dtype = _ONNX_TYPES.get(kind, "")
        if not dtype or places != 1 or not name or (prod(dims) * _BITS[dtype] + 7) // 8 != data[1] - data[0]:
            self.unread.append(name)
        else:
            self._take(Stored(name, dtype, tuple(dims), *data))


def to_bytes(dtype: str, before: bytes, change: tuple[Floats, Floats]) -> bytes:
    """A tensor's new bytes.

    Args:
        dtype: one of `FLOATS`. before: its bytes. change: the array before and after, float32.
    """
    old, new = (array.reshape(-1) for array in change)
    if dtype == "F32":
        return new.astype("<f4").tobytes()
    if dtype == "F64":  # what float32 cannot hold of the old value stays
        return bytes((np.frombuffer(before, "<f8") + (new - old)).astype("<f8").tobytes())
    if dtype == "F16":
        return new.astype("<f2").tobytes()
    bits = new.astype("<f4").view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()  # round to nearest, ties to even


def _plain(dtype: str) -> Callable[[bytes, int], Floats]:
    return lambda data, count: np.frombuffer(data, dtype, count).astype(np.float32)


def _bfloat(data: bytes, count: int) -> Floats:
    return (np.frombuffer(data, "<u2", count).astype(np.uint32) << 16).view(np.float32)


def _centred(data: bytes, count: int) -> Floats:
    values = np.frombuffer(data, np.uint8, count).astype(np.float32)
    return values - np.float32(np.median(values)) if count else values


def _nibbles(data: bytes, count: int) -> NDArray[np.uint8]:
    pairs = np.frombuffer(data, np.uint8)
    return np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:count]


def _signed(data: bytes, count: int) -> Floats:
    return ((_nibbles(data, count).astype(np.int8) ^ 8) - 8).astype(np.float32)


def _unsigned(data: bytes, count: int) -> Floats:
    return _centred(_nibbles(data, count).tobytes(), count)


_FROM: dict[str, Callable[[bytes, int], Floats]] = {
    "F32": _plain("<f4"), "F16": _plain("<f2"), "F64": _plain("<f8"), "I8": _plain("<i1"), "BF16": _bfloat,
    "U8": _centred, "I4": _signed, "U4": _unsigned,
}  # fmt: skip
