"""Where the tensors of a torch checkpoint lie in its file, told without building one; for `convert`.

Runs in a confined child. Source: `torch/_utils.py` (`_rebuild_tensor_v2`) and `torch/serialization.py`; the names of nested
dictionaries are joined by a dot, as state dicts join them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from countermark.checks.model._judge import PickleJudge
from countermark.checks.model._shapes import numbers
from countermark.checks.model._streams import inflated
from countermark.checks.model._torch import TorchJudge, held, torch_legacy
from countermark.formats import pickled, torch_layout, zipped
from countermark.formats.limits import Malformed, OverLimit
from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import Machine
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Captured, Made, Value, number
from countermark.formats.source import Memory
from countermark.sandbox.task import Answer, Job, Source, task

MOST = 1 << 20
MOST_DEPTH = 32
DTYPES = {
    "FloatStorage": "F32", "DoubleStorage": "F64", "HalfStorage": "F16", "BFloat16Storage": "BF16", "LongStorage": "I64",
    "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64",
}  # fmt: skip
"""Dtype of safetensors for the elements of a storage."""
_TENSORS = frozenset({"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"})
_PARAMETERS = frozenset({"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"})
_LITTLE = re.compile(rb"little_endian(?:q.|r.{4}|\x94)?([\x88\x89])", re.DOTALL)


class NoTensors(Malformed):
    """The file holds something else than tensors that can be written down."""

    answer = "unproven"


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor: its name, dtype of safetensors, shape and strides in elements, and the storage it is a view of.

    Attributes:
        at: byte offset of its first element inside the storage. begin, size: where the storage lies in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    at: int
    begin: int
    size: int

    def to_json(self) -> list[Any]:
        """As it crosses the pipe."""
        return [self.name, self.dtype, list(self.shape), list(self.stride), self.at, self.begin, self.size]


@task
def plan(job: Job) -> Answer:
    """Plan a conversion. Source: the file. Answer: ``tensors``, and ``left``: names of what is no tensor."""
    tensors, left = planned(job.sources[0])
    return Answer({"tensors": [one.to_json() for one in tensors], "left": left})


def planned(source: Source) -> tuple[list[Stored], list[str]]:
    """The tensors of a checkpoint, and names of everything else in it.

    Raises:
        NoTensors: it holds no dictionary, or tensors of a kind that safetensors has not. Malformed: it is damaged.
    """
    kind = pickled.recognise(source)
    judge = TorchJudge("")
    if kind == "torch (zip)":
        value, places = _of_zip(source, judge)
    elif kind == "torch (legacy)":
        value, places = _of_legacy(source, judge)
    else:
        raise NoTensors("convert-kind", f"no checkpoint of torch: {kind or 'another format'}")
    tensors, left = [], []
    for name, item in _leaves(value, "", 0):
        tensor = _tensor(item)
        if tensor is None:
            left.append(f"{name} ({v.kind(item)})")
        else:
            tensors.append(_stored(name, tensor, judge, places))
        if len(tensors) + len(left) > MOST:
            raise OverLimit("entries", len(tensors) + len(left), MOST)
    return tensors, left


def _of_zip(source: Source, judge: TorchJudge) -> tuple[Value, dict[str, int]]:
    archive = zipped.read(source)
    root = torch_layout.root_of(archive)
    if root is None or f"{root}constants.pkl" in archive.names:
        raise NoTensors("convert-kind", "an archive with code, or without one data.pkl")
    layout = torch_layout.parted(archive, root)
    order = next((m for m in layout.records if m.name == f"{root}byteorder"), None)
    if order and inflated(source, order) != b"little":
        raise NoTensors("convert-order", "the bytes are not in little-endian order")
    if any(member.deflated for member in layout.storages.values()):
        raise NoTensors("convert-packed", "compressed storages, which torch never writes")
    machine = _capturing(Memory(inflated(source, layout.pickle)), judge)
    follow(machine)
    held(layout.storages, judge.storages, f"{root}data/")
    for key in judge.storages:
        for _ in zipped.chunks(source, layout.storages[key]):  # compares the CRC
            continue
    return machine.stack[-1], {key: member.data_at for key, member in layout.storages.items()}


def _of_legacy(source: Source, judge: TorchJudge) -> tuple[Value, dict[str, int]]:
    at = 0
    for _ in range(2):
        at = follow(Machine(source, PickleJudge("")), at)
    after = follow(Machine(source, PickleJudge("")), at)
    told = _LITTLE.search(source.read(at, min(after - at, 1 << 12)))
    if told is None or told[1] != b"\x88":
        raise NoTensors("convert-order", "the bytes are not shown to be in little-endian order")
    body = _capturing(source, judge)
    torch_legacy(source, judge, body)
    return body.stack[-1], judge.places


def _capturing(source: Source, judge: TorchJudge) -> Machine:
    machine = Machine(source, judge)
    machine.captures, machine.most = True, MOST
    return machine


def _leaves(value: Value, name: str, depth: int) -> Iterator[tuple[str, Value]]:
    """What dictionaries within dictionaries end in, under their keys joined by dots.

    Raises:
        NoTensors: the object is no dictionary, or a key is no text.
    """
    pairs = _pairs(value)
    if pairs is None:
        if not depth:
            raise NoTensors("convert-object", f"the checkpoint is {v.kind(value)}, no dictionary of tensors",
                            mend="save model.state_dict() where it was made")  # fmt: skip
        yield name, value
        return
    if depth > MOST_DEPTH:
        raise OverLimit("depth", depth, MOST_DEPTH)
    for key, inner in pairs:
        if not isinstance(key, str):
            raise NoTensors("convert-key", f"{name or 'the checkpoint'} has a key that is {v.kind(key)}, no text")
        yield from _leaves(inner, f"{name}.{key}" if name else key, depth + 1)


def _pairs(value: Value) -> list[tuple[Value, Value]] | None:
    if isinstance(value, Captured):
        return list(value.items.items())
    ordered = isinstance(value, Made) and value.of is not None and value.of.full == "collections.OrderedDict"
    return value.items if ordered and isinstance(value, Made) else None


def _tensor(value: Value) -> Made | None:
    """The rebuilding of a tensor, parameters unwrapped; None where it is something else."""
    if isinstance(value, Made) and value.of is not None and isinstance(value.args, tuple):
        if value.of.full in _PARAMETERS and value.args:
            return _tensor(value.args[0])
        if value.of.full in _TENSORS and len(value.args) >= 4:
            return value
    return None


def _stored(name: str, made: Made, judge: TorchJudge, places: dict[str, int]) -> Stored:
    """
    Raises:
        NoTensors: a dtype that safetensors has not, or strides that are no numbers.
    """
    storage, shape, stride, offset = made.args[0], numbers(made.args[2]), numbers(made.args[3]), number(made.args[1])
    known = isinstance(storage, Made) and storage.of is not None and isinstance(storage.args, tuple)
    if not known or shape is None or stride is None or offset is None:
        raise NoTensors("convert-tensor", f"{name}: a tensor whose shape is not written out")
    named = judge.storages[storage.args[0]]
    dtype = DTYPES.get(storage.of.qualname)
    if dtype is None:
        raise NoTensors("convert-dtype", f"{name}: safetensors has nothing for a {storage.of.qualname}")
    return Stored(name, dtype, tuple(shape), tuple(stride), offset * named.width, places[named.key], named.size)
