"""From a checkpoint of torch that is proven to safetensors, without unpickling it: the bytes of its tensors, and nothing else.

The file is inspected first and planned in a confined child; here bytes are copied, by numbers that are checked against the file again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from countermark.checks.model.inspect import LIMITS, inspect_files
from countermark.errors import FormatRefused, StatementRefused, Unusable
from countermark.formats.safetensors import BITS
from countermark.formats.source import FileSource
from countermark.sandbox.pipe import run_task
from countermark.workspace.disk import Disk

Progress = Callable[[int, int], None]
_PLAN = "countermark.checks.model.tensors:plan"
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """What a conversion wrote, and what it left out because it is no tensor."""

    tensors: int
    size: int
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _View:
    """One tensor as a view of bytes of the file: `width` bytes an element, strides in elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    first: int
    width: int

    @property
    def size(self) -> int:
        return prod(self.shape) * self.width


def to_safetensors(
    source: Path,
    target: Path,
    *,
    tensors_only: bool = False,
    disk: Disk | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write the tensors of a proven checkpoint as one safetensors file; each is byte for byte what loading would have given.

    Args:
        tensors_only: leave out what is no tensor (step counts, optimisers' settings); else that is refused, so that nothing is lost
            unnoticed. progress: called with (tensors, bytes) so far.

    Raises:
        Unusable: `target` exists, or cannot be written. FormatRefused: the file is not proven, is no checkpoint of torch, holds
            tensors that safetensors has not, or something that is no tensor.
    """
    if target.exists():
        raise Unusable(f"{target} exists", mend="name a new file")
    with FileSource(source) as file:
        seen = inspect_files([(source.name, file)]).files[0]
        if seen.answer != "proven":
            raise FormatRefused(f"{source.name} is {seen.answer}: {seen.why}", mend="`countermark inspect` says more; a file that is not "
                                "proven is not converted")  # fmt: skip
        said = run_task(_PLAN, {}, sources=[file], limits=LIMITS).json
        views, left = _checked(said, file.size)
        if left and not tensors_only:
            raise FormatRefused(f"{len(left)} entries are no tensors: {', '.join(left[:5])}", why="safetensors holds nothing else",
                                mend="--tensors-only leaves them out")  # fmt: skip
        size = sum(view.size for view in views)
        (disk or Disk()).pour(target, _pieces(file, views, progress), mode=0o644)
    return Written(len(views), size, tuple(left))


def _checked(said: dict[str, Any], size: int) -> tuple[list[_View], list[str]]:
    """What a child planned, every number held against the file.

    Raises:
        StatementRefused: it is malformed, or leads outside of the file.
    """
    try:
        views = [_view(one, size) for one in said["tensors"]]
        left = [str(name) for name in said["left"]]
    except (KeyError, TypeError, ValueError) as error:
        raise StatementRefused("a confined child answered malformed", why=str(error)) from error
    names = [view.name for view in views]
    if len(set(names)) != len(names) or "__metadata__" in names:
        raise FormatRefused(
            "two tensors have one name once dictionaries are flattened", mend="save the state dict alone"
        )
    return sorted(views, key=lambda view: (-view.width, view.name)), left


def _view(one: list[Any], size: int) -> _View:
    name, dtype, shape, stride, at, begin, length = one
    numbers = [*shape, *stride, at, begin, length]
    if not isinstance(name, str) or any(type(n) is not int or n < 0 for n in numbers) or len(shape) != len(stride):
        raise ValueError("a tensor is not described by natural numbers")
    width = BITS[dtype] // 8
    reach = 0 if 0 in shape else at + (1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))) * width
    if reach > length or begin + length > size:
        raise ValueError(f"tensor {name[:80]!r} leads outside of its storage")
    return _View(name, dtype, tuple(shape), tuple(stride), begin + at, width)


def _pieces(file: FileSource, views: list[_View], progress: Progress | None) -> Iterator[bytes]:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for view in views:
        header[view.name] = {"dtype": view.dtype, "shape": list(view.shape), "data_offsets": [at, at + view.size]}
        at += view.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    done = 0
    for number, view in enumerate(views, 1):
        for piece in _elements(file, view):
            done += len(piece)
            yield piece
            if progress:
                progress(number, done)


def _elements(file: FileSource, view: _View) -> Iterator[bytes]:
    """The bytes of a tensor in order: runs that lie together are read together, others gathered run by run."""
    if not view.size:
        return
    inner = len(view.shape)
    run = 1
    while inner and view.stride[inner - 1] in (run, run if view.shape[inner - 1] > 1 else view.stride[inner - 1]):
        inner -= 1
        run *= view.shape[inner]
    gathered = bytearray()
    for index in product(*(range(n) for n in view.shape[:inner])):
        first = view.first + view.width * sum(i * step for i, step in zip(index, view.stride[:inner], strict=True))
        for at in range(0, run * view.width, _PIECE):
            gathered += file.read(first + at, min(_PIECE, run * view.width - at))
            if len(gathered) >= _PIECE:
                yield bytes(gathered)
                gathered.clear()
    if gathered:
        yield bytes(gathered)
